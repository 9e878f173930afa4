//! The door of agents' standard output: scripted agents that speak ACP badly.

use std::time::{Duration, Instant};

use protocol::fact::SessionFact;
use protocol::fold::Transcript;
use protocol::id::{CommandId, SessionId};
use protocol::item::ItemContent;
use serde_json::Value;

use crate::canary::Canary;
use crate::row::Outcome;
use crate::world::{PATIENCE, World};

/// What every script begins with: words that it can say, and its first two answers.
const WORDS: &str = r#"
say() { printf '%s\n' "$1"; }
chunk() { say '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"'"$1"'"}}}}'; }
update() { say '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":'"$1"'}}'; }
end() { say '{"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn"}}'; }
greet() { read line; say '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}'; }
new() { read line; say '{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s"}}'; }
begin() { greet; new; read line; }
stay() { while read line; do :; done; }
"#;

/// A script, what is right, and what it is about.
struct Row {
    name: &'static str,
    input: &'static str,
    script: &'static str,
    /// The end of the command and its code, or the end of the turn and its code, then the codes of notices.
    wanted: &'static str,
}

const fn row(name: &'static str, input: &'static str, script: &'static str, wanted: &'static str) -> Row {
    Row { name, input, script, wanted }
}

const UNAVAILABLE: &str = "command failed agent_unavailable";
const NOT_STARTED: &str = "command failed agent_not_started";

const ROWS: &[Row] = &[
    row(
        "garbage",
        "a line that is no JSON",
        "begin; say 'not json {'; chunk fine; end; stay",
        "turn completed; unreadable_line; fine",
    ),
    row(
        "bytes",
        "lines that are not UTF-8",
        r"begin; printf '\377\376\n\300\200\n'; chunk fine; end; stay",
        // The first line is told of where it came, how many followed at the end of the turn.
        "turn completed; unreadable_line; fine; unreadable_line",
    ),
    row(
        "long",
        "a line of 10 MB",
        "begin; head -c 10000000 /dev/zero | tr '\\0' x; echo; chunk fine; end; stay",
        "turn completed; unreadable_line; fine",
    ),
    row(
        "longer",
        "a line of 20 MB",
        "begin; head -c 20000000 /dev/zero | tr '\\0' x; echo; chunk fine; end; stay",
        "turn completed; line_too_long; fine",
    ),
    row(
        "deep",
        "JSON 100 000 deep",
        "begin; head -c 100000 /dev/zero | tr '\\0' '['; echo; chunk fine; end; stay",
        "turn completed; unreadable_line; fine",
    ),
    row(
        "zero",
        "zero bytes",
        r"begin; printf '\0\0\0\n'; chunk fine; end; stay",
        "turn completed; unreadable_line; fine",
    ),
    row(
        "empty",
        "ten thousand empty lines",
        "begin; yes '' | head -n 10000; chunk fine; end; stay",
        "turn completed; fine",
    ),
    row(
        "list",
        "JSON of another shape",
        "begin; say '[1,2]'; say 7; say null; say '\"x\"'; chunk fine; end; stay",
        "turn completed; unknown_message; fine",
    ),
    row(
        "unknown",
        "updates that nobody knows",
        r#"begin; update '{"sessionUpdate":"dance"}'; update '{}'; update 7; chunk fine; end; stay"#,
        "turn completed; unknown_message; fine",
    ),
    row(
        "strange",
        "fields of another kind",
        r#"begin; update '{"sessionUpdate":"tool_call","toolCallId":7,"title":[],"content":"x"}'; update '{"sessionUpdate":"plan","entries":{"a":1}}'; chunk fine; end; stay"#,
        "turn completed; fine",
    ),
    row(
        "foreign",
        "an update of another session",
        r#"begin; say '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"other","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"theirs"}}}}'; chunk fine; end; stay"#,
        "turn completed; fine",
    ),
    row(
        "answers",
        "answers to what was never asked",
        r#"begin; say '{"jsonrpc":"2.0","id":99,"result":{}}'; say '{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m"}}'; chunk fine; end; stay"#,
        "turn completed; fine",
    ),
    row(
        "files",
        "a request for a file outside of the project",
        r#"begin; say '{"jsonrpc":"2.0","id":50,"method":"fs/read_text_file","params":{"sessionId":"s","path":"/etc/passwd"}}'; read line; case "$line" in *root:*) chunk leaked;; *'"error"'*) chunk fine;; esac; end; stay"#,
        "turn completed; fine",
    ),
    row(
        "terminal",
        "a request for a terminal outside of the project",
        r#"begin; say '{"jsonrpc":"2.0","id":50,"method":"terminal/create","params":{"sessionId":"s","command":"id","cwd":"/etc"}}'; read line; case "$line" in *terminalId*) chunk ran;; *'"error"'*) chunk fine;; esac; end; stay"#,
        "turn completed; fine",
    ),
    row(
        "no-command",
        "a request for a terminal without a command",
        r#"begin; say '{"jsonrpc":"2.0","id":50,"method":"terminal/create","params":{"sessionId":"s"}}'; read line; case "$line" in *terminalId*) chunk ran;; *'"error"'*) chunk fine;; esac; end; stay"#,
        "turn completed; fine",
    ),
    row(
        "refuses",
        "an error instead of an end",
        r#"begin; say '{"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"no such luck"}}'; stay"#,
        "turn failed agent_error",
    ),
    row(
        "odd-end",
        "an end of another shape",
        r#"begin; chunk fine; say '{"jsonrpc":"2.0","id":3,"result":7}'; stay"#,
        "turn completed; fine",
    ),
    row("dies", "an end in the middle", "begin; chunk half; exit 4", "turn failed agent_died; half"),
    row("killed", "death by a signal in the middle", "begin; chunk half; kill -9 $$", "turn failed agent_died; half"),
    row("leaves", "an end without a word", "begin; exit 0", "turn failed agent_died"),
    row(
        "closes",
        "a closed standard output",
        "begin; chunk half; exec 1>&-; sleep 1; exit 0",
        "turn failed agent_died; half",
    ),
    row("never", "an end before the greeting", "echo no such luck >&2; exit 9", NOT_STARTED),
    row(
        "version",
        "another version",
        r#"read line; say '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":9}}'; stay"#,
        UNAVAILABLE,
    ),
    row(
        "nothing",
        "a greeting of nothing",
        r#"read line; say '{"jsonrpc":"2.0","id":1,"result":null}'; stay"#,
        UNAVAILABLE,
    ),
    row(
        "nameless",
        "a session without an id",
        r#"greet; read line; say '{"jsonrpc":"2.0","id":2,"result":{}}'; stay"#,
        UNAVAILABLE,
    ),
    row(
        "login",
        "a login that is missing",
        r#"greet; read line; say '{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"Authentication required"}}'; stay"#,
        UNAVAILABLE,
    ),
    row("silent", "an agent that never answers", "sleep 600", UNAVAILABLE),
    row(
        "flood",
        "200 000 words in one go",
        "begin; i=0; while [ $i -lt 2000 ]; do chunk 'a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z'; i=$((i+1)); done; chunk ' fine'; end; stay",
        "turn completed; fine",
    ),
];

pub(crate) fn rows() -> Vec<Outcome> {
    let world = World::new();
    let script = |name: &str| world.folder.path().join(format!("{name}.sh"));
    let mut words: Vec<String> =
        ["--listen", "127.0.0.1:0", "--acp-agent", "missing=/nowhere/at/all"].map(str::to_owned).into();
    for row in ROWS {
        std::fs::write(script(row.name), format!("{WORDS}\n{}\n", row.script)).unwrap();
        words.extend(["--acp-agent".to_owned(), format!("{}=/bin/sh {}", row.name, script(row.name).display())]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let node = world.up(&words);
    let canary = Canary::sing(&world, &node);
    let missing = row("missing", "a program that is not there", "", UNAVAILABLE);
    let mut outcomes = Vec::new();
    for row in ROWS.iter().chain([&missing]) {
        let (got, next_step) = talk(&world, &canary, row);
        let (input, wanted) = (row.input.to_owned(), row.wanted.to_owned());
        outcomes.push(Outcome { input, wanted, got, next_step, unharmed: canary.unharmed() });
    }
    assert_eq!(node.stop().0, Some(0));
    world.expect_nothing_left();
    outcomes
}

/// A prompt to an agent, and what became of it.
fn talk(world: &World, canary: &Canary, row: &Row) -> (String, bool) {
    let sent = world.run(&["send", "--agent", row.name, "--json", "go"]);
    let Ok(line) = serde_json::from_str::<Value>(&sent.out) else {
        return (format!("exit {:?}: {}", sent.code, sent.err), sent.err.contains("hint: "));
    };
    let session: SessionId = line["session"].as_str().unwrap().parse().unwrap();
    let command: CommandId = line["command"].as_str().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = canary.api();
    let until = Instant::now() + PATIENCE * 2;
    while Instant::now() < until {
        let told = runtime.block_on(async {
            let ack = serde_json::to_value(api.command(command).await.unwrap()).unwrap();
            if ack["state"] == "failed" {
                let code = ack["error"].as_str().unwrap_or("-").to_owned();
                return Some((format!("command failed {code}"), ack["detail"].is_string()));
            }
            // The turn may be seen to fail before its command is.
            if ack["state"] != "succeeded" {
                return None;
            }
            let page = api.transcript(session, None, 500).await.ok()?;
            let mut transcript = Transcript::new();
            transcript.older(page.facts.iter().map(|raw| SessionFact::parse(raw.get().as_bytes()).unwrap()));
            end_of(&transcript)
        });
        match told {
            Some(told) => return told,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    ("it never ended".to_owned(), false)
}

/// How the one turn of a session ended, and what was said in it.
fn end_of(transcript: &Transcript) -> Option<(String, bool)> {
    let turns = transcript.turns();
    let (_, turn) = turns.first().filter(|(_, turn)| turn.state.is_final())?;
    let turn = serde_json::to_value(turn).unwrap();
    let mut told = format!("turn {}", turn["state"].as_str().unwrap());
    if let Some(code) = turn["error"]["code"].as_str() {
        told.push(' ');
        told.push_str(code);
    }
    let mut words: Vec<String> = Vec::new();
    for (_, item) in transcript.items() {
        match &item.content {
            ItemContent::Notice { code, .. } => words.push(code.clone()),
            ItemContent::Text { text } if text != "go" => words.push(text.rsplit(' ').next().unwrap().to_owned()),
            _ => {}
        }
    }
    words.dedup();
    for word in words {
        told.push_str("; ");
        told.push_str(&word);
    }
    let failed = turn["state"] == "failed";
    Some((told, !failed || turn["content"]["detail"].is_string()))
}
