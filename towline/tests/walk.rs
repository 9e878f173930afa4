//! The walk through a session in `docs/reference/protocol.md`, as it stands there.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, uses a part of what tests share, and fails when a step of it fails"
)]

mod world;

use std::process::Command;

use world::World;

const PAGE: &str = include_str!("../../docs/reference/protocol.md");

/// What stands in the page's blocks of shell, in order.
fn script() -> String {
    let blocks = PAGE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.fold("set -eu\n".to_owned(), |all, block| all + block)
}

#[test]
fn the_walk_in_the_reference_works_as_it_stands() {
    let missing = |tool: &&str| Command::new(tool).arg("--version").output().is_err();
    if let Some(tool) = ["curl", "jq"].iter().find(|tool| missing(tool)) {
        // `cargo xtask test` installs them first.
        eprintln!("skipped: `{tool}` is not installed");
        return;
    }
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0", "--pair-once"]);
    let text = |field: &str| node.ready[field].as_str().unwrap().to_owned();
    let walked = Command::new("timeout")
        .args(["60", "sh", "-c", &script()])
        .env("URL", text("url"))
        .env("CODE", text("code"))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&walked.stdout), String::from_utf8_lossy(&walked.stderr));
    assert!(walked.status.success(), "{}: {err}\n{out}", walked.status);
    assert!(out.contains("user: Create a file hello.txt"), "{out}\n{err}");
    assert_eq!(std::fs::read_to_string(world.project().join("hello.txt")).unwrap(), "good morning\n");
}
