//! What an agent may ask of its client: files of the project and terminals. The agent is a shell script that writes the requests one after
//! the other and keeps the answers.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use host::agent::acp::{AcpAgent, AcpOptions};
use host::agent::{Agent, AgentEvent, OpenError, OpenSpec, Opened};
use host::process::{Environment, adopt_orphans, fresh_tag};
use protocol::host::Ability;
use protocol::item::{DeltaPart, ItemContent, ItemStatus, ToolCall};
use serde_json::{Value, json};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(20);

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("project")).unwrap();
        Self { folder }
    }

    fn project(&self) -> std::path::PathBuf {
        self.folder.path().canonicalize().unwrap().join("project")
    }

    /// The answers that the agent got, in order.
    fn answers(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("answers")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// An agent that, once prompted, writes each of these lines; after one that is a request it waits for the answer.
    async fn open(&self, lines: &[Value]) -> Opened {
        let mut script = String::from(
            r#"
read line; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}'
read line; echo '{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s"}}'
read line
"#,
        );
        for line in lines {
            let mut line = line.clone();
            line["jsonrpc"] = json!("2.0");
            let _ = writeln!(script, "cat <<'LINE'\n{line}\nLINE");
            if line.get("method").is_some() && line.get("id").is_some() {
                let _ = writeln!(script, "IFS= read -r line; printf '%s\\n' \"$line\" >> ../answers");
            }
        }
        script.push_str("read line\n");
        let agent = shell(&script);
        let spec = OpenSpec {
            cwd: self.project(),
            resume: None,
            model: None,
            mode: None,
            effort: None,
            tag: fresh_tag("acp-client"),
            lines: None,
        };
        let mut opened = agent.open(spec).await.unwrap();
        opened.driver.prompt("go").await.unwrap();
        opened
    }
}

/// An agent that is a shell script.
fn shell(script: &str) -> AcpAgent {
    AcpAgent::new(AcpOptions {
        id: "script".to_owned(),
        name: "Script".to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        environment: Environment::cleaned([("PATH".into(), "/usr/bin:/bin".into())]),
        allow_bypass: false,
        probe_cwd: "/".into(),
        install_hint: None,
    })
}

fn request(id: u64, method: &str, mut params: Value) -> Value {
    params["sessionId"] = json!("s");
    json!({ "id": id, "method": method, "params": params })
}

fn update(update: &Value) -> Value {
    json!({ "method": "session/update", "params": { "sessionId": "s", "update": update } })
}

fn end() -> Value {
    json!({ "id": 3, "result": { "stopReason": "end_turn" } })
}

async fn until_end(opened: &mut Opened) -> Vec<AgentEvent> {
    let mut events = Vec::new();
    loop {
        let event = timeout(LONG, opened.events.recv()).await.unwrap().unwrap();
        let is_end = matches!(event, AgentEvent::TurnEnded(_));
        events.push(event);
        if is_end {
            return events;
        }
    }
}

fn settled(events: &[AgentEvent]) -> Vec<(ItemStatus, ToolCall)> {
    let call = |event: &AgentEvent| match event {
        AgentEvent::ItemSettled { status, content: ItemContent::ToolCall(call), .. } => Some((*status, call.clone())),
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

#[tokio::test]
async fn files_of_the_project_are_read_and_written_and_the_change_is_shown_once() {
    let _orphans = adopt_orphans().unwrap();
    let world = World::new();
    let project = world.project();
    let at = |name: &str| project.join(name).to_string_lossy().into_owned();
    std::fs::write(project.join("old.txt"), "one\ntwo\n").unwrap();
    std::fs::write(world.folder.path().join("secret"), "hush").unwrap();
    std::os::unix::fs::symlink("../secret", project.join("link")).unwrap();
    let edit = json!({"sessionUpdate": "tool_call", "toolCallId": "t", "title": "Edit", "kind": "edit", "status": "in_progress",
        "locations": [{"path": at("old.txt")}]});
    let mut opened = world
        .open(&[
            request(10, "fs/read_text_file", json!({"path": at("old.txt"), "line": 2, "limit": 1})),
            request(11, "fs/write_text_file", json!({"path": at("new/file.txt"), "content": "fresh\n"})),
            update(&edit),
            request(12, "fs/write_text_file", json!({"path": at("old.txt"), "content": "one\n2\n"})),
            update(&json!({"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": "completed"})),
            request(13, "fs/read_text_file", json!({"path": at("link")})),
            request(14, "fs/write_text_file", json!({"path": at("../secret"), "content": "mine"})),
            request(15, "fs/read_text_file", json!({"path": at("nothing")})),
            json!({"id": 16, "method": "fs/read_text_file", "params": {"sessionId": "another", "path": at("old.txt")}}),
            end(),
        ])
        .await;
    let events = until_end(&mut opened).await;
    let answers = world.answers();
    assert_eq!(answers[0]["result"]["content"], "two\n");
    assert_eq!((&answers[1]["result"], &answers[2]["result"]), (&json!({}), &json!({})));
    for (answer, code) in answers[3..].iter().zip([-32602, -32602, -32002, -32601]) {
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    assert!(answers[5]["error"]["message"].as_str().unwrap().contains("Resource not found"));
    assert!(!answers.iter().any(|answer| answer.to_string().contains("hush")));
    assert_eq!(std::fs::read_to_string(project.join("new/file.txt")).unwrap(), "fresh\n");
    assert_eq!(std::fs::read_to_string(project.join("old.txt")).unwrap(), "one\n2\n");
    assert_eq!(std::fs::read_to_string(world.folder.path().join("secret")).unwrap(), "hush");

    let calls = settled(&events);
    assert_eq!(calls.len(), 2, "{calls:?}");
    let (status, write) = &calls[0];
    assert_eq!((*status, write.title.as_str()), (ItemStatus::Done, "Write new/file.txt"));
    assert_eq!((write.diffs[0].old_text.as_deref(), write.diffs[0].new_text.as_str()), (None, "fresh\n"));
    let edit = &calls[1].1;
    assert_eq!((edit.title.as_str(), edit.diffs.len()), ("Edit", 1));
    assert_eq!((edit.diffs[0].old_text.as_deref(), edit.diffs[0].new_text.as_str()), (Some("one\ntwo\n"), "one\n2\n"));
    opened.driver.close().await;
}

#[tokio::test]
async fn a_terminal_streams_into_the_call_that_shows_it_and_ends_with_the_agent() {
    let _orphans = adopt_orphans().unwrap();
    let world = World::new();
    // The agent does not know the terminal's id before it is told, so it takes it out of the answer.
    let script = r#"
read line; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}'
read line; echo '{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s"}}'
read line
ask() { printf '{"jsonrpc":"2.0","id":%s,"method":"terminal/%s","params":{"sessionId":"s"%s}}\n' "$1" "$2" "$3"; IFS= read -r line; printf '%s\n' "$line" >> ../answers; }
ask 10 create ',"command":"sh","args":["-c","echo one; read x < ../go; echo two; exit 4"]'
id=$(printf '%s' "$line" | sed 's/.*"terminalId":"\([^"]*\)".*/\1/')
printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"tool_call","toolCallId":"t","title":"Run","kind":"execute","status":"in_progress","content":[{"type":"terminal","terminalId":"%s"}]}}}\n' "$id"
ask 11 wait_for_exit ",\"terminalId\":\"$id\""
ask 12 output ",\"terminalId\":\"$id\""
ask 13 release ",\"terminalId\":\"$id\""
ask 14 output ",\"terminalId\":\"$id\""
echo '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"tool_call_update","toolCallId":"t","status":"completed"}}}'
ask 15 create ',"command":"setsid sleep 641 & sleep 642"'
echo '{"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn"}}'
read line"#;
    fifo(&world.folder.path().join("go"));
    let agent = AcpAgent::new(AcpOptions {
        id: "script".to_owned(),
        name: "Script".to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        environment: Environment::cleaned([("PATH".into(), "/usr/bin:/bin".into())]),
        allow_bypass: false,
        probe_cwd: "/".into(),
        install_hint: None,
    });
    let spec = OpenSpec {
        cwd: world.project(),
        resume: None,
        model: None,
        mode: None,
        effort: None,
        tag: fresh_tag("acp-terminal"),
        lines: None,
    };
    let mut opened = agent.open(spec).await.unwrap();
    opened.driver.prompt("go").await.unwrap();
    let go = world.folder.path().join("go");
    let mut live = String::new();
    let mut events = Vec::new();
    loop {
        let event = timeout(LONG, opened.events.recv()).await.unwrap().unwrap();
        match &event {
            AgentEvent::ItemStarted { content: ItemContent::ToolCall(call), .. }
            | AgentEvent::ItemUpdated { content: ItemContent::ToolCall(call), .. } => live.clone_from(&call.output),
            AgentEvent::Delta { part: DeltaPart::Output, text, .. } => live.push_str(text),
            _ => {}
        }
        // Only once its first line is seen is the command let go: what streams does not wait for its end.
        if live == "one\n" && go.exists() {
            tokio::task::spawn_blocking({
                let go = go.clone();
                move || std::fs::write(go, "go\n")
            })
            .await
            .unwrap()
            .unwrap();
            std::fs::remove_file(&go).unwrap();
        }
        let is_end = matches!(event, AgentEvent::TurnEnded(_));
        events.push(event);
        if is_end {
            break;
        }
    }
    let calls = settled(&events);
    assert_eq!((calls[0].1.output.as_str(), calls[0].1.exit_code), ("one\ntwo\n", Some(4)));
    assert_eq!(live, "one\ntwo\n");
    let answers = world.answers();
    assert_eq!(answers[1]["result"], json!({"exitCode": 4, "signal": null}));
    assert_eq!(answers[2]["result"]["output"], "one\ntwo\n");
    assert_eq!((&answers[3]["result"], &answers[4]["error"]["code"]), (&json!({}), &json!(-32002)));
    assert!(answers[5]["result"]["terminalId"].is_string());
    until(|| running("sleep 641") && running("sleep 642")).await;
    opened.driver.close().await;
    assert!(!running("sleep 641") && !running("sleep 642"));
}

#[tokio::test]
async fn stopping_the_turn_ends_its_terminals() {
    let _orphans = adopt_orphans().unwrap();
    let world = World::new();
    let create = request(10, "terminal/create", json!({"command": "sleep 651 & sleep 652"}));
    let mut opened = world.open(&[create]).await;
    until(|| running("sleep 651") && running("sleep 652")).await;
    opened.driver.interrupt().await.unwrap();
    until(|| !running("sleep 651") && !running("sleep 652")).await;
    opened.driver.close().await;
}

async fn until(is_so: impl Fn() -> bool) {
    let begun = tokio::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "it did not come to be");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn running(command: &str) -> bool {
    let words = command.replace(' ', "\0") + "\0";
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| line == words.as_bytes())
}

fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

#[tokio::test]
async fn a_fork_is_asked_for_where_it_is_offered_and_old_words_are_not_told_again() {
    let _orphans = adopt_orphans().unwrap();
    let world = World::new();
    let script = |offered: &str| {
        format!(
            r#"
say() {{ printf '{{"jsonrpc":"2.0",%s}}\n' "$1"; }}
words() {{ say "\"method\":\"session/update\",\"params\":{{\"sessionId\":\"forked\",\"update\":{{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{{\"type\":\"text\",\"text\":\"$1\"}}}}}}"; }}
read line; say '"id":1,"result":{{"protocolVersion":1,"agentCapabilities":{{"sessionCapabilities":{{{offered}}}}}}}'
IFS= read -r line; printf '%s\n' "$line" >> ../answers
words old; say '"id":2,"result":{{"sessionId":"forked"}}'
read line; words new; say '"id":3,"result":{{"stopReason":"end_turn"}}'
read line
"#
        )
    };
    let spec = || OpenSpec {
        cwd: world.project(),
        resume: Some("origin".to_owned()),
        model: None,
        mode: None,
        effort: None,
        tag: fresh_tag("acp-client"),
        lines: None,
    };
    let agent = shell(&script(r#""fork":{}"#));
    let mut opened = agent.fork(spec(), None).await.unwrap();
    assert_eq!(opened.entry.take().unwrap().abilities, [Ability::ForkNewest]);
    let asked = &world.answers()[0];
    assert_eq!((&asked["method"], &asked["params"]["sessionId"]), (&json!("session/fork"), &json!("origin")));
    opened.driver.prompt("go").await.unwrap();
    let events = until_end(&mut opened).await;
    assert_eq!(events[0], AgentEvent::Session { agent_session: "forked".to_owned() });
    let texts: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::ItemSettled { content: ItemContent::Text { text }, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["new"]);
    opened.driver.close().await;

    // The protocol has no word for an earlier place; and who does not offer a fork is not asked for one.
    let earlier = agent.fork(spec(), Some("earlier".to_owned())).await;
    assert!(matches!(earlier, Err(OpenError::NoFork { .. })), "{earlier:?}");
    let refused = shell(&script("")).fork(spec(), None).await;
    assert!(matches!(refused, Err(OpenError::NoFork { .. })), "{refused:?}");
    assert_eq!(world.answers().len(), 1);
}

#[tokio::test]
async fn a_conversation_that_the_agent_still_lists_is_not_given_up_when_it_does_not_load() {
    let _orphans = adopt_orphans().unwrap();
    let world = World::new();
    let script = |offered: &str, pages: &[&str]| {
        let mut script = format!(
            r#"
say() {{ printf '{{"jsonrpc":"2.0",%s}}\n' "$1"; }}
read line; say '"id":1,"result":{{"protocolVersion":1,"agentCapabilities":{{"loadSession":true,"sessionCapabilities":{{{offered}}}}}}}'
read line; say '"id":2,"error":{{"code":-32603,"message":"the disk is busy"}}'
"#
        );
        for (at, page) in pages.iter().enumerate() {
            let _ = writeln!(script, "IFS= read -r line; printf '%s\\n' \"$line\" >> ../answers");
            let _ = writeln!(script, "say '\"id\":{},\"result\":{page}'", at + 3);
        }
        script.push_str("read line\n");
        shell(&script)
    };
    let spec = || OpenSpec {
        cwd: world.project(),
        resume: Some("mine".to_owned()),
        model: None,
        mode: None,
        effort: None,
        tag: fresh_tag("acp-client"),
        lines: None,
    };
    let list = r#""list":{},"fork":{}"#;
    let first = r#"{"sessions":[{"sessionId":"other","cwd":"/p"}],"nextCursor":"2"}"#;
    let with = r#"{"sessions":[{"sessionId":"mine","cwd":"/p"}]}"#;
    let without = r#"{"sessions":[]}"#;

    let busy = script(list, &[first, with]).open(spec()).await.unwrap_err();
    assert!(matches!(&busy, OpenError::Failed { detail, .. } if detail == "the disk is busy"), "{busy}");
    let asked = world.answers();
    let cwd = world.project().to_string_lossy().into_owned();
    assert_eq!((&asked[0]["method"], &asked[0]["params"]["cwd"]), (&json!("session/list"), &json!(cwd)));
    assert_eq!(asked[1]["params"]["cursor"], "2");

    let gone = script(list, &[first, without]).open(spec()).await.unwrap_err();
    assert!(matches!(gone, OpenError::NotSaved { .. }), "{gone}");
    let unknown = script("", &[]).open(spec()).await.unwrap_err();
    assert!(matches!(unknown, OpenError::NotSaved { .. }), "who has no list is believed: {unknown}");

    let busy = script(list, &[with]).fork(spec(), None).await.unwrap_err();
    assert!(matches!(busy, OpenError::Failed { .. }), "{busy}");
    let gone = script(list, &[without]).fork(spec(), None).await.unwrap_err();
    assert!(matches!(gone, OpenError::NotSaved { .. }), "{gone}");
}

fn spec(world: &World) -> OpenSpec {
    OpenSpec {
        cwd: world.project(),
        resume: None,
        model: None,
        mode: None,
        effort: None,
        tag: fresh_tag("acp-client"),
        lines: None,
    }
}

async fn until_gone(command: &str) {
    let begun = tokio::time::Instant::now();
    while running(command) {
        assert!(begun.elapsed() < Duration::from_secs(5), "{command} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What the agent of the tests of a stop begins with; `ask N METHOD PARAMS` asks and keeps the answer.
const BEGIN: &str = r#"
say() { printf '{"jsonrpc":"2.0",%s}\n' "$1"; }
write() { say "\"id\":$1,\"method\":\"$2\",\"params\":{\"sessionId\":\"s\",$3}"; }
ask() { write "$1" "$2" "$3"; IFS= read -r line; printf '%s\n' "$line" >> ../answers; }
read line; say '"id":1,"result":{"protocolVersion":1}'
read line; say '"id":2,"result":{"sessionId":"s"}'
read line
"#;

#[tokio::test]
async fn nothing_begins_after_a_stop_or_without_a_turn() {
    let _orphans = adopt_orphans().unwrap();
    let world = World::new();
    let script = BEGIN.to_owned()
        + r#"
say '"method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"up"}}}'
read line
ask 10 terminal/create '"command":"sleep 717"'
ask 11 fs/write_text_file "\"path\":\"$PWD/late\",\"content\":\"x\""
say '"id":3,"result":{"stopReason":"cancelled"}'
ask 12 terminal/create '"command":"sleep 717"'
say '"method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"current_mode_update","currentModeId":"done"}}'
read line
"#;
    let mut opened = shell(&script).open(spec(&world)).await.unwrap();
    opened.driver.prompt("go").await.unwrap();
    while !matches!(timeout(LONG, opened.events.recv()).await.unwrap().unwrap(), AgentEvent::Delta { .. }) {}
    opened.driver.interrupt().await.unwrap();
    until_end(&mut opened).await;
    while !matches!(timeout(LONG, opened.events.recv()).await.unwrap().unwrap(), AgentEvent::Options { .. }) {}
    let answers = world.answers();
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|answer| answer.get("error").is_some()), "{answers:?}");
    assert!(!running("sleep 717") && !world.project().join("late").exists());
    opened.driver.close().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_behind_requests() {
    let _orphans = adopt_orphans().unwrap();
    let world = World::new();
    let script = BEGIN.to_owned()
        + r#"
ask 10 terminal/create '"command":"sleep 718"'
id=$(printf %s "$line" | sed 's/.*"terminalId":"\([^"]*\)".*/\1/')
n=20
while [ $n -lt 100 ]; do write $n terminal/wait_for_exit "\"terminalId\":\"$id\""; n=$((n + 1)); done
say '"method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"up"}}}'
read line
say '"id":3,"result":{"stopReason":"cancelled"}'
read line
sleep 719
"#;
    let mut opened = shell(&script).open(spec(&world)).await.unwrap();
    opened.driver.prompt("go").await.unwrap();
    while !matches!(timeout(LONG, opened.events.recv()).await.unwrap().unwrap(), AgentEvent::Delta { .. }) {}
    let begun = tokio::time::Instant::now();
    while !running("sleep 718") {
        assert!(begun.elapsed() < LONG, "it never ran");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    opened.driver.interrupt().await.unwrap();
    until_end(&mut opened).await;
    until_gone("sleep 718").await;
    opened.driver.close().await;
}

#[tokio::test]
async fn a_command_that_outlives_its_turn_is_told_of_as_work_in_the_background() {
    let _orphans = adopt_orphans().unwrap();
    let world = World::new();
    let create = request(10, "terminal/create", json!({"command": "sleep", "args": ["0.7"]}));
    let mut opened = world.open(&[create, end()]).await;
    until_end(&mut opened).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        if let AgentEvent::Background { tasks } = timeout(LONG, opened.events.recv()).await.unwrap().unwrap() {
            told.push(tasks);
        }
    }
    assert_eq!(told, [vec!["sleep 0.7".to_owned()], vec![]]);
    opened.driver.close().await;
}
