//! What an owner asked to happen on the machine when a prompt comes from another device: with real programs, and without a screen.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

use client::{Api, Dialer, Remote};
use protocol::api::{ClaimRequest, ClaimStatus, ClaimStatusRequest};
use protocol::command::{CommandBody, CommandRequest, StartContent};
use protocol::device::DeviceKind;
use protocol::id::{CommandId, SessionId};
use serde_json::Value;
use world::{PATIENCE, World};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A node whose programs are looked for in a folder of the test first.
struct Node {
    child: Child,
    ready: Value,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn program(folder: &Path, name: &str, script: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn up(world: &World, config: &str) -> Node {
    let bin = world.home().join("bin");
    let file = world.home().join("config.toml");
    std::fs::write(&file, config).unwrap();
    let path = format!("PATH={}:/usr/bin:/bin", bin.display());
    let args = ["--config", file.to_str().unwrap(), "up", "--json", "--listen", "127.0.0.1:0", "--pair-once"];
    let mut child = world.command_by(&["/usr/bin/env", &path], &args).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Node { child, ready: serde_json::from_str(&line).unwrap() }
}

/// A device of its own, and a chat that it starts.
fn prompt_from_afar(node: &Node, text: &str) -> SessionId {
    let url = node.ready["localUrl"].as_str().unwrap();
    runtime().block_on(async {
        let stranger = Api::new(Remote::new(url, None, Dialer::tcp()).unwrap());
        let claim = ClaimRequest {
            code: node.ready["code"].as_str().unwrap().to_owned(),
            name: "Ada's phone".to_owned(),
            platform: "test".to_owned(),
            kind: DeviceKind::Program,
            public_key: None,
        };
        let claimed = stranger.claim(&claim).await.unwrap();
        let ask = ClaimStatusRequest { pairing: claimed.pairing, claim_token: claimed.claim_token, wait_ms: 10_000 };
        let ClaimStatus::Approved { credential, .. } = stranger.claim_status(&ask).await.unwrap() else { panic!() };
        let phone = Api::new(Remote::new(url, credential, Dialer::tcp()).unwrap());
        let lists = phone.lists().await.unwrap();
        let project = lists.facts.iter().map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap());
        let project = project.filter(|fact| fact["type"] == "project").map(|fact| fact["key"].clone()).next().unwrap();
        let session = SessionId::from_uuid(uuid::Builder::from_unix_timestamp_millis(77, &[7; 10]).into_uuid());
        let body = CommandBody::StartSession {
            session,
            project: serde_json::from_value(project).unwrap(),
            new_project: false,
            agent: "demo".to_owned(),
            model: None,
            mode: None,
            effort: None,
            content: StartContent { title: None, text: Some(text.to_owned()), ..StartContent::default() },
        };
        let id = CommandId::from_uuid(uuid::Uuid::now_v7());
        let host = phone.me().await.unwrap().host.unwrap();
        phone.send(&CommandRequest { id, host, ttl_ms: None, retry_of: None, body }).await.unwrap();
        session
    })
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_prompt_from_another_device_is_told_of_as_the_owner_wishes_and_one_from_here_is_not() {
    let world = World::new();
    let bin = world.home().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let (seen, noticed) = (world.home().join("seen"), world.home().join("noticed"));
    // What is in a prompt is never read by a shell: it stays the words that it is.
    let own = program(
        &bin,
        "lamp",
        &format!(
            "printf '%s|' \"$1\" \"$TOWLINE_SESSION\" \"$TOWLINE_PROJECT\" \"$TOWLINE_AGENT_NAME\" \"$TOWLINE_DEVICE_NAME\" \"$TOWLINE_PROMPT\" >> {}\necho lit",
            seen.display()
        ),
    );
    program(&bin, "notify-send", &format!("printf '%s|' \"$@\" >> {}", noticed.display()));
    let config = format!(
        "[remote_prompts]\nnotify = true\nopen_browser = true\ncommand = [{:?}, \"--blink; touch {}/shell\"]\n",
        own.display().to_string(),
        world.home().display()
    );
    let node = up(&world, &config);
    // From this machine itself: nothing happens, however long one waits for what comes after it.
    assert_eq!(world.run(&["send", "--agent", "demo", "--follow", "From the terminal"]).code, Some(0));
    let session = prompt_from_afar(&node, "[[say Hi.]] $(touch ~/shell) `id`");
    wait_for("the command was never run", || text(&seen).matches('|').count() >= 6);
    wait_for("no notification was shown", || text(&noticed).contains("Ada's phone"));
    let said = text(&seen);
    let blink = format!("--blink; touch {}/shell|{session}|project|demo|Ada's phone|", world.home().display());
    assert_eq!(said, format!("{blink}[[say Hi.]] $(touch ~/shell) `id`|"));
    assert!(text(&noticed).starts_with("--app-name=Towline|--|Prompt from Ada's phone|"), "{}", text(&noticed));
    assert!(!world.home().join("shell").exists());
    let log = world.data().join("log/towline.log");
    wait_for("what it printed is not in the log", || text(&log).contains("lit"));
    drop(node);
    world.expect_nothing_left();
}

#[test]
fn a_command_that_hangs_or_is_not_there_holds_nothing_up_and_is_ended() {
    let world = World::new();
    let bin = world.home().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let began = world.home().join("began");
    let own = program(&bin, "hang", &format!("sleep 600 & echo $! > {}\nsleep 600", began.display()));
    let config = format!(
        "[remote_prompts]\nnotify = true\ncommand = [{:?}]\ncommand_limit = \"1s\"\n",
        own.display().to_string()
    );
    let node = up(&world, &config);
    let session = prompt_from_afar(&node, "[[say Done.]]").to_string();
    wait_for("the turn does not go on", || world.run(&["tail", &session, "--until-idle"]).out.contains("Done."));
    wait_for("it was never started", || !text(&began).is_empty());
    let log = world.data().join("log/towline.log");
    wait_for("the log does not say that it took too long", || text(&log).contains("took too long"));
    // There is no notify-send here, or none that works without a screen: that is said, and nothing more.
    let sleeper = text(&began).trim().to_owned();
    wait_for("what it started is still there", || !Path::new("/proc").join(&sleeper).exists());
    drop(node);
    world.expect_nothing_left();
}
