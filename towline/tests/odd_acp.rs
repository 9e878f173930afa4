//! The program with an ACP agent that misbehaves in each way that agents do: what comes of it is a state that is named and shown, the session
//! stays usable, and nothing is left. And the record of what was said between the two.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use world::{Ran, Running, World};

/// Speaks ACP as far as it must, and then does what the prompt names.
const ODD: &str = r#"#!/bin/sh
say() { printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"%s"}}}}\n' "$1"; }
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  result() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
  case "$line" in
    *'"initialize"'*) result '{"protocolVersion":1,"agentCapabilities":{"sessionCapabilities":{"resume":{}}},"agentInfo":{"name":"odd","version":"1.0.0"}}' ;;
    *'"session/new"'*) result '{"sessionId":"s"}' ;;
    *'"session/resume"'*) result '{}' ;;
    *'do garbage'*) printf '\377\376 not json\n'; head -c 20000000 /dev/zero | tr '\0' x; echo; say 'still here'; result '{"stopReason":"end_turn"}' ;;
    *'do crash'*) say 'half a'; echo 'the last words' >&2; exit 7 ;;
    *'do grandchild'*) say 'half b'; setsid sleep 661 & exit 8 ;;
    *'do words'*) say "$(head -c 9000000 /dev/zero | tr '\0' w)"; result '{"stopReason":"end_turn"}' ;;
    *'do edit'*) printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"tool_call","toolCallId":"c","title":"Edit the lock file","kind":"edit","status":"completed","content":[{"type":"diff","path":"a.lock","oldText":"'
      head -c 4300000 /dev/zero | tr '\0' o; printf '","newText":"'; head -c 4300000 /dev/zero | tr '\0' n; printf '"}]}}}\n'; result '{"stopReason":"end_turn"}' ;;
    *'do ask'*) prompt=$id
      printf '{"jsonrpc":"2.0","id":"ask","method":"session/request_permission","params":{"sessionId":"s","toolCall":{"toolCallId":"d","title":"Write it","kind":"edit","rawInput":{"file_path":"b.sql","content":"'
      head -c 8600000 /dev/zero | tr '\0' q; printf '"}},"options":[{"optionId":"yes","name":"Yes","kind":"allow_once"},{"optionId":"ever","name":"Always","kind":"allow_always"},{"optionId":"no","name":"No","kind":"reject_once"}]}}\n' ;;
    *'"id":"ask"'*) id=$prompt; case "$line" in *'"yes"'*) say 'it was allowed' ;; *) say 'it was refused' ;; esac; result '{"stopReason":"end_turn"}' ;;
    *'do hang'*) say 'never ends'; setsid sleep 662 & while :; do sleep 1; done ;;
    *'session/prompt'*) say 'all is well'; result '{"stopReason":"end_turn"}' ;;
  esac
done
"#;

fn good(ran: Ran) -> String {
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran.out
}

fn up(world: &World) -> Running {
    let program = world.home().join("odd-agent");
    std::fs::write(&program, ODD).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    world.up(&["--listen", "127.0.0.1:0", "--acp-agent", &format!("odd={}", program.display())])
}

/// The newest session as its export says it.
fn exported(world: &World) -> Value {
    serde_json::from_str(&good(world.run(&["export", "last", "--format", "json"]))).unwrap()
}

fn holds(value: &Value, words: &str) -> bool {
    value.to_string().contains(words)
}

#[test]
fn whatever_an_agent_does_its_session_says_so_and_goes_on() {
    let world = World::new();
    let node = up(&world);
    // Garbage and a line of 20 MB are notices, and the turn is done.
    good(world.run(&["send", "--agent", "odd", "--follow", "do garbage"]));
    let document = exported(&world);
    for words in ["unreadable_line", "line_too_long", "still here", "completed"] {
        assert!(holds(&document, words), "{words} in {document}");
    }
    // A crash, and a grandchild that holds the pipe: the turn failed, with the agent's last words; what was said stays.
    for (prompt, words) in [("do crash", "half a"), ("do grandchild", "half b")] {
        let ran = world.run(&["send", "--session", "last", "--follow", prompt]);
        assert_ne!(ran.code, Some(0), "{prompt}: {}", ran.out);
        let document = exported(&world);
        assert!(holds(&document, words) && holds(&document, "agent_died"), "{prompt}: {document}");
    }
    assert!(holds(&exported(&world), "the last words"));
    // Silence: the person stops it.
    good(world.run(&["send", "--session", "last", "do hang"]));
    let until = std::time::Instant::now() + world::PATIENCE;
    while !holds(&exported(&world), "do hang") || !running("sleep\u{0}662\u{0}") {
        assert!(std::time::Instant::now() < until, "it does not begin");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    good(world.run(&["cancel", "last"]));
    while !holds(&exported(&world), "interrupted") {
        assert!(std::time::Instant::now() < until, "it does not end");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(!running("sleep\u{0}661\u{0}") && !running("sleep\u{0}662\u{0}"));
    // And all the same the session goes on, in a new process.
    good(world.run(&["send", "--session", "last", "--follow", "and now"]));
    assert!(holds(&exported(&world), "all is well"));
    assert_eq!(node.stop().0, Some(0));
    world.expect_nothing_left();
}

#[test]
fn whatever_an_agent_says_in_one_go_everybody_can_read_the_chat_and_sees_how_much_is_missing() {
    let world = World::new();
    let node = up(&world);
    // The words and the edit come over the socket, to whoever follows and to whoever comes later.
    let said = good(world.run(&["send", "--agent", "odd", "--follow", "do words"]));
    let left_out = 9_000_000 - 512 * 1024;
    assert!(said.contains(&format!("! {left_out} bytes of this were left out on the host")), "{} bytes", said.len());
    let said = good(world.run(&["send", "--session", "last", "--follow", "do edit"]));
    assert!(said.contains("Edit the lock file") && said.contains("bytes of this were left out"), "{said}");
    let document = exported(&world);
    let all = document.to_string();
    assert!(all.contains(&format!(r#""leftOutBytes":{left_out}"#)) && all.len() < 4_000_000, "{} bytes", all.len());
    // What is asked is shown as far as it can be, says what is missing, and is nothing to allow for longer.
    good(world.run(&["send", "--session", "last", "do ask"]));
    let until = std::time::Instant::now() + world::PATIENCE;
    let asked = loop {
        let document = exported(&world);
        let asked = document["approvals"].as_array().into_iter().flatten().next_back().cloned();
        if let Some(asked) = asked {
            break asked;
        }
        assert!(std::time::Instant::now() < until, "it does not ask: {}", &document.to_string()[..2_000]);
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert!(holds(&asked, "leftOutBytes") && !holds(&asked, "allow_always"), "{}", &asked.to_string()[..2_000]);
    good(world.run(&["answer", asked["id"].as_str().unwrap(), "allow"]));
    let said = good(world.run(&["send", "--session", "last", "--follow", "and now"]));
    assert!(said.contains("all is well") && holds(&exported(&world), "it was allowed"), "{said}");
    assert_eq!(node.stop().0, Some(0));
    world.expect_nothing_left();
}

#[test]
fn what_was_said_between_the_two_is_kept_for_the_owner_only_and_can_be_switched_off() {
    let world = World::new();
    let node = up(&world);
    good(world.run(&["send", "--agent", "odd", "--follow", "hello CANARYraw"]));
    let shown = good(world.run(&["logs", "--agent", "last"]));
    for words in ["odd is started", r#"\"method\":\"session/prompt\""#, "CANARYraw", "all is well"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    let lines = world.data().join("lines");
    let file = std::fs::read_dir(&lines).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&lines).unwrap().permissions().mode() & 0o777, 0o700);
    // Also by its id, where nobody runs; and never in the node's own log.
    let id = file.path().file_stem().unwrap().to_string_lossy().into_owned();
    assert!(!good(world.run(&["logs", "-n", "10000"])).contains("CANARYraw"));
    // Deleted with its session.
    good(world.run(&["delete", "last", "--yes"]));
    let until = std::time::Instant::now() + world::PATIENCE;
    while std::fs::read_dir(&lines).unwrap().next().is_some() {
        assert!(std::time::Instant::now() < until, "the lines of a deleted session are still there");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let gone = world.run(&["logs", "--agent", &id]);
    assert!(gone.code == Some(1) && gone.err.contains("agents.keep_lines"), "{}", gone.err);
    assert_eq!(node.stop().0, Some(0));
    let config = world.home().join(".config/towline");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "[agents]\nkeep_lines = false\n").unwrap();
    let node = up(&world);
    good(world.run(&["send", "--agent", "odd", "--follow", "hello again"]));
    assert!(std::fs::read_dir(&lines).unwrap().next().is_none());
    assert_eq!(node.stop().0, Some(0));
}

fn running(command_line: &str) -> bool {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| line == command_line.as_bytes())
}
