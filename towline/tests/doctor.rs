//! `towline doctor` and the page of the same findings, with the real program.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use world::{Ran, World};

/// The findings, and whether all of them are as they should be at least to work.
fn findings(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn level<'a>(findings: &'a [Value], id: &str) -> (&'a str, &'a str) {
    let found = findings.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("{id}: {findings:?}"));
    (found["level"].as_str().unwrap(), found["next"].as_str().unwrap_or_default())
}

#[test]
fn a_machine_on_which_nothing_runs_is_told_how_to_begin() {
    let world = World::new();
    let ran = world.run(&["--json", "doctor"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let found = findings(&ran);
    for id in ["config", "data.directory", "clock", "policy", "listen", "reach", "agent.demo"] {
        assert_eq!(level(&found, id).0, "ok", "{id}: {found:?}");
    }
    // How full the tester's disk is, is the tester's affair.
    assert!(found.iter().any(|finding| finding["id"] == "disk.space"));
    assert_eq!(level(&found, "reach").1.split(':').next(), Some("For a phone"));
    // Not installed here: how to get it.
    assert!(level(&found, "agent.claude").1.starts_with("Install it with `npm install -g"), "{found:?}");
    assert!(!world.data().exists(), "looking makes nothing");
    let text = world.run(&["doctor"]);
    assert!(text.out.contains("\nwarning  Claude Code is not installed\n         → Install it with"), "{}", text.out);
    assert!(text.err.contains("could be better."), "{}", text.err);
    assert!(!text.out.contains('\u{1b}'), "no colours but on a terminal");
    world.expect_nothing_left();
}

/// A vendor's program that answers as it should, but for what a script makes of it.
fn agent(world: &World, script: &str) -> String {
    let bin = world.home().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let file = bin.join("claude");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", bin.display())
}

#[test]
fn what_does_not_work_is_a_problem_with_its_next_step() {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let ran = world.run(&["--json", "doctor"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let found = findings(&ran);
    for id in ["listen", "data.access", "data.store", "disk.speed"] {
        assert_eq!(level(&found, id).0, "ok", "{id}: {found:?}");
    }
    assert_eq!(node.stop().0, Some(0));

    // A secret that others can read, a certificate that is none, a program that hangs up, a wrong file.
    let token = world.data().join("local.token");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let pem = world.project().join("none.pem");
    std::fs::write(&pem, "not PEM").unwrap();
    let (pem, path) = (pem.to_str().unwrap(), agent(&world, "exit 1"));
    let environment = [
        ("TOWLINE_TLS_CERT_FILE", pem),
        ("TOWLINE_TLS_KEY_FILE", pem),
        ("TOWLINE_LISTEN", "127.0.0.1:0"),
        ("PATH", &path),
    ];
    let ran = world.run_with(&["--json", "doctor"], &environment);
    assert_eq!(ran.code, Some(1));
    let found = findings(&ran);
    for id in ["tls", "data.access", "agent.claude"] {
        let (level, next) = level(&found, id);
        assert!(level == "problem" && !next.is_empty(), "{id}: {found:?}");
    }
    assert!(ran.err.starts_with("error: doctor found 3 problems\n"), "{}", ran.err);
    assert_eq!(level(&found, "data.access").1, format!("chmod go-rwx {}", token.display()));
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();

    let config = world.home().join("wrong.toml");
    std::fs::write(&config, "[hots]\n").unwrap();
    let ran = world.run(&["--config", config.to_str().unwrap(), "--json", "doctor"]);
    assert_eq!((ran.code, level(&findings(&ran), "config").0), (Some(1), "problem"));

    damage(&world.data().join("store/store.sqlite3"));
    let ran = world.run(&["--json", "doctor"]);
    let found = findings(&ran);
    assert_eq!((ran.code, level(&found, "data.store").0), (Some(1), "problem"), "{found:?}");
    assert!(level(&found, "data.store").1.contains("backup"), "{found:?}");
}

#[test]
fn a_policy_that_cannot_be_used_is_a_problem_with_its_line_here_and_on_the_page() {
    let world = World::new();
    let policy = world.home().join(".config/towline/policy.toml");
    std::fs::create_dir_all(policy.parent().unwrap()).unwrap();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let look = || {
        let ran = world.run(&["--json", "doctor"]);
        let found = findings(&ran);
        let at = found.iter().position(|finding| finding["id"] == "policy").unwrap();
        (ran.code, found[at].clone())
    };

    std::fs::write(&policy, "[[rule]]\ndecision = \"deny\"\ncommand = \"git push\"\n").unwrap();
    let (code, right) = look();
    assert_eq!((code, right["level"].as_str()), (Some(0), Some("ok")), "{right}");
    assert_eq!(right["title"], "The policy is right: one rule");

    std::fs::write(&policy, "[[rule]]\ndecision = \"deny\"\ncomand = \"git push\"\n").unwrap();
    let (code, wrong) = look();
    assert_eq!((code, wrong["level"].as_str()), (Some(1), Some("problem")), "{wrong}");
    let detail = wrong["detail"].as_str().unwrap();
    assert!(detail.starts_with(&format!("{}:3: ", policy.display())) && detail.contains("comand"), "{detail}");
    assert!(wrong["next"].as_str().unwrap().contains("towline policy show"), "{wrong}");
    let api = world.api(&node);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let page = runtime.block_on(api.health()).unwrap();
    let there = page.findings.iter().find(|finding| finding.id == "policy").unwrap();
    assert_eq!(there.detail.as_deref(), Some(detail), "the page says the same");

    // A link that leads nowhere was meant to be a policy.
    std::fs::remove_file(&policy).unwrap();
    std::os::unix::fs::symlink("nowhere.toml", &policy).unwrap();
    let (code, lost) = look();
    assert_eq!((code, lost["level"].as_str()), (Some(1), Some("problem")), "{lost}");
    // No file can be read that is a folder, by whoever tests.
    std::fs::remove_file(&policy).unwrap();
    std::fs::create_dir(&policy).unwrap();
    let (code, folder) = look();
    assert_eq!((code, folder["level"].as_str()), (Some(1), Some("problem")), "{folder}");
    assert_eq!(node.stop().0, Some(0));
}

fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let end = bytes.len().min(20_000);
    bytes[4096..end].fill(0xa5);
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn the_same_findings_are_served_to_who_may_manage() {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let api = world.api(&node);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (first, again) = runtime.block_on(async { (api.health().await.unwrap(), api.health().await.unwrap()) });
    assert_eq!(first, again, "it is not looked at again within ten seconds");
    let ids: Vec<&str> = first.findings.iter().map(|finding| finding.id.as_str()).collect();
    for id in ["disk.space", "disk.speed", "data.store", "clock", "listen", "reach", "agent.claude", "agent.demo"] {
        assert!(ids.contains(&id), "{id}: {ids:?}");
    }
    assert_eq!(node.stop().0, Some(0));
    world.expect_nothing_left();
}
