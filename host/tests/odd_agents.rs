//! Agents that misbehave: garbage, endless lines, a pipe that somebody else holds, silence. Each is a shell script.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use host::agent::acp::{AcpAgent, AcpOptions};
use host::agent::codex::{CodexAgent, CodexOptions, NETWORK_PATIENCE};
use host::agent::{Agent, AgentEvent, DriveError, OpenError, OpenSpec};
use host::process::{Environment, adopt_orphans, fresh_tag};
use protocol::item::{ItemContent, ItemStatus};
use tokio::time::{Instant, timeout};

const LONG: Duration = Duration::from_secs(20);

/// Answers the two requests of a start; what follows is the test's.
const GREETING: &str = r#"
read line; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}'
read line; echo '{"jsonrpc":"2.0","id":2,"result":{"sessionId":"s"}}'
read line
"#;

fn agent(script: &str) -> AcpAgent {
    AcpAgent::new(AcpOptions {
        id: "odd".to_owned(),
        name: "Odd".to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        environment: Environment::cleaned([("PATH".into(), "/usr/bin:/bin".into())]),
        allow_bypass: false,
        probe_cwd: "/".into(),
        install_hint: None,
    })
}

fn spec() -> OpenSpec {
    OpenSpec {
        cwd: "/".into(),
        resume: None,
        model: None,
        mode: None,
        effort: None,
        tag: fresh_tag("odd"),
        lines: None,
    }
}

fn running(command: &[&str]) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| {
            line.split(|byte| *byte == 0).filter(|word| !word.is_empty()).eq(command.iter().map(|word| word.as_bytes()))
        })
        .count()
}

#[tokio::test]
async fn garbage_and_an_endless_line_become_notices_and_the_turn_goes_on() {
    let _orphans = adopt_orphans().unwrap();
    let script = format!(
        r#"{GREETING}
printf '\377\376 not json\n'
head -c 20000000 /dev/zero | tr '\0' x; echo
echo '{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"s","update":{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"fine"}}}}}}}}'
echo '{{"jsonrpc":"2.0","id":3,"result":{{"stopReason":"end_turn"}}}}'
read line"#
    );
    let mut opened = agent(&script).open(spec()).await.unwrap();
    opened.driver.prompt("go").await.unwrap();
    let mut seen = Vec::new();
    loop {
        let event = timeout(LONG, opened.events.recv()).await.unwrap().unwrap();
        match &event {
            AgentEvent::Notice { code, .. } => seen.push(code.clone()),
            AgentEvent::ItemSettled { content: ItemContent::Text { text }, .. } => seen.push(text.clone()),
            AgentEvent::TurnEnded(_) => break,
            _ => {}
        }
    }
    assert_eq!(seen, ["unreadable_line", "line_too_long", "fine"]);
    opened.driver.close().await;
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_does_not_hold_the_end() {
    let _orphans = adopt_orphans().unwrap();
    let script = format!(
        r#"{GREETING}
echo '{{"jsonrpc":"2.0","method":"session/update","params":{{"sessionId":"s","update":{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"half a"}}}}}}}}'
setsid sleep 621 &
echo last words >&2
exit 4"#
    );
    let mut opened = agent(&script).open(spec()).await.unwrap();
    opened.driver.prompt("go").await.unwrap();
    let begun = Instant::now();
    let mut events = Vec::new();
    while let Some(event) = timeout(LONG, opened.events.recv()).await.unwrap() {
        events.push(event);
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    let cut = events.iter().any(|event| {
        matches!(event, AgentEvent::ItemSettled { status: ItemStatus::Interrupted, content: ItemContent::Text { text }, .. } if text == "half a")
    });
    assert!(cut, "{events:?}");
    let Some(AgentEvent::Exited { detail }) = events.last() else { panic!("{events:?}") };
    assert!(detail.contains("exit status: 4") && detail.contains("last words"), "{detail}");
    assert_eq!(running(&["sleep", "621"]), 0);
    assert!(matches!(opened.driver.prompt("more").await, Err(DriveError::Died { .. })));
}

#[tokio::test]
async fn an_agent_that_says_nothing_is_left_without_a_trace() {
    let _orphans = adopt_orphans().unwrap();
    let silent = agent("setsid sleep 622 & sleep 622");
    assert!(timeout(Duration::from_millis(500), silent.open(spec())).await.is_err());
    let begun = Instant::now();
    while running(&["sleep", "622"]) > 0 {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_agent_that_ignores_everything_is_closed_in_time() {
    let _orphans = adopt_orphans().unwrap();
    let script = format!("trap '' TERM\n{GREETING}\nwhile :; do sleep 1; done");
    let mut opened = agent(&script).open(spec()).await.unwrap();
    opened.driver.prompt("go").await.unwrap();
    opened.driver.interrupt().await.unwrap();
    let begun = Instant::now();
    opened.driver.close().await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let pid = opened.process.unwrap().pid;
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn what_it_says_when_it_does_not_start_is_told() {
    let refused = agent("echo no such luck >&2; exit 9").open(spec()).await.unwrap_err();
    let OpenError::NotNow { detail, .. } = &refused else { panic!("{refused}") };
    assert!(detail.contains("no such luck") && detail.contains("exit status: 9"), "{detail}");
    let refused = agent(r#"read line; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":9}}'; read line"#)
        .open(spec())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("version 9"), "{refused}");
}

#[tokio::test]
async fn a_login_that_is_missing_is_told_with_the_way_to_it() {
    let script = r#"
read line; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,"authMethods":[{"id":"a","name":"A","description":"Run `odd login`"}]}}'
read line; echo '{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"Authentication required"}}'
read line"#;
    let refused = agent(script).open(spec()).await.unwrap_err();
    let OpenError::LoggedOut { detail, .. } = &refused else { panic!("{refused}") };
    assert!(detail.contains("odd login"), "{detail}");
    let script = r#"
read line; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}'
read line"#;
    let spec = OpenSpec { resume: Some("old".to_owned()), ..spec() };
    let refused = agent(script).open(spec).await.unwrap_err();
    assert!(matches!(refused, OpenError::NotSaved { .. }), "{refused}");
}

#[tokio::test]
async fn a_codex_that_cannot_be_spoken_to_makes_room_for_a_fresh_one() {
    let _orphans = adopt_orphans().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("codex");
    // After its first chat it takes nothing in any more.
    let script = r#"#!/bin/sh
echo started >> starts
read line; echo '{"id":1,"result":{"userAgent":"codex/0.169.0"}}'
read line
read line; echo '{"id":2,"result":{"account":{"type":"apiKey"},"requiresOpenaiAuth":true}}'
read line; echo '{"id":3,"result":{"thread":{"id":"t"}}}'
exec <&-
sleep 720
"#;
    std::fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let agent = CodexAgent::new(CodexOptions {
        id: "codex".to_owned(),
        program: program.into(),
        environment: Environment::cleaned([("PATH".into(), "/usr/bin:/bin".into())]),
        extra_args: Vec::new(),
        allow_bypass: false,
        cwd: folder.path().to_owned(),
        network_patience: NETWORK_PATIENCE,
    });
    let mut first = agent.open(spec()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let second = agent.open(spec()).await;
    assert!(matches!(second, Err(OpenError::NotNow { .. })), "tried again: {second:?}");
    let third = agent.open(spec()).await.unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("starts")).unwrap(), "started\nstarted\n");
    // Who was in the old one is told, and comes back in a fresh one.
    let begun = Instant::now();
    while !matches!(timeout(LONG, first.events.recv()).await.unwrap(), Some(AgentEvent::Exited { .. })) {}
    assert!(begun.elapsed() < Duration::from_secs(10));
    drop((first, third));
}
