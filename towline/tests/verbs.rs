//! What a person does in a terminal with a node that runs, and what each verb leaves behind.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use world::{Ran, World};

/// A run that must have gone well.
fn good(ran: Ran) -> String {
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran.out
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn titles(world: &World, args: &[&str]) -> Vec<String> {
    let args: Vec<&str> = ["--json", "sessions"].iter().chain(args).copied().collect();
    json(&good(world.run(&args))).iter().map(|row| row["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_session_is_renamed_put_away_exported_and_deleted() {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    good(world.run(&["send", "--agent", "demo", "--follow", "Say hello"]));
    assert_eq!(good(world.run(&["rename", "last", " The greeting "])), "renamed: The greeting\n");
    assert_eq!(titles(&world, &[]), ["The greeting"]);

    // By its title, as a person would; a slip is met with what was meant.
    let text = good(world.run(&["export", "the greeting"]));
    assert!(text.starts_with("# The greeting\n\n- Project: project (~/project)\n"), "{text}");
    assert!(text.contains("## You · ") && text.contains("Say hello") && text.contains("*Turn completed"), "{text}");
    let slip = world.run(&["export", "The greating"]);
    assert_eq!(slip.code, Some(2));
    assert!(slip.err.contains("hint: Did you mean `The greeting`?"), "{}", slip.err);
    let document: Value = serde_json::from_str(&good(world.run(&["export", "last", "--format", "json"]))).unwrap();
    assert_eq!(document["format"], "towline.session");
    assert!(document["items"].as_array().unwrap().len() >= 2, "{document}");

    // Into a file of one's own, never over another.
    let file = world.project().join("greeting.md");
    let path = file.to_str().unwrap();
    assert_eq!(good(world.run(&["export", "last", "-o", path])), format!("written: {path}\n"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = world.run(&["export", "last", "-o", path]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("hint: Choose another name, or replace it with --force."), "{}", again.err);
    good(world.run(&["export", "last", "-o", path, "--force"]));

    assert_eq!(good(world.run(&["archive", "last"])), "put away: The greeting\n");
    assert_eq!((titles(&world, &[]).len(), titles(&world, &["--all"]).len()), (0, 1));
    assert_eq!(good(world.run(&["sessions"])), "No session but 1 put away: towline sessions --all\n");
    assert_eq!(good(world.run(&["archive", "--undo", "last"])), "taken out again: The greeting\n");
    assert_eq!(titles(&world, &[]).len(), 1);

    // Without a person to ask, only who says so twice deletes.
    let asked = world.run(&["delete", "last"]);
    assert_eq!(asked.code, Some(2));
    assert!(
        asked.err.contains("hint: To delete \"The greeting\" without a question: towline delete --yes ses_"),
        "{}",
        asked.err
    );
    assert_eq!(titles(&world, &[]).len(), 1);
    assert_eq!(good(world.run(&["delete", "--yes", "last"])), "deleted: The greeting\n");
    assert_eq!(titles(&world, &["--all"]).len(), 0);
    assert_eq!(world.run(&["rename", "last", "x"]).code, Some(1));
    let long = "x".repeat(121);
    assert_eq!(world.run(&["rename", "last", &long]).code, Some(2));

    // All of it is in the audit trail, newest first.
    let entries = json(&good(world.run(&["--json", "audit", "--limit", "1000"])));
    let actions: Vec<&str> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let at = |action: &str| {
        actions.iter().position(|found| *found == action).unwrap_or_else(|| panic!("{action}: {actions:?}"))
    };
    assert!(
        at("session.delete") < at("session.rename") && at("session.rename") < at("command.start_session"),
        "{actions:?}"
    );
    assert_eq!(good(world.run(&["audit", "--limit", "1"])).lines().count(), 1);
    assert_eq!(node.stop().0, Some(0));
}

#[test]
fn alone_it_says_what_waits_for_a_person() {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let alone = good(world.run(&[]));
    assert!(
        alone.starts_with(&format!("●────●  Towline {} runs: {}\n", env!("CARGO_PKG_VERSION"), node.url())),
        "{alone}"
    );
    assert!(alone.contains("  towline pair ") && !alone.contains("Needs you"), "{alone}");
    good(world.run(&["send", "--agent", "demo", "Ask me before you do anything: permission"]));
    let state = json(&good(world.run(&["--json"]))).remove(0);
    assert_eq!((&state["running"], &state["url"]), (&Value::Bool(true), &node.url().into()));
    let opened = json(&good(world.run(&["--json", "open", "last"]))).remove(0);
    assert!(opened["url"].as_str().unwrap().starts_with(&format!("{}/s/ses_", node.url())), "{opened}");
    assert_eq!(opened["opened"], false, "there is no screen");
    assert_eq!(node.stop().0, Some(0));
    // What a dead node left behind is no sign of life.
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    node.kill9();
    let dead = good(world.run(&[]));
    assert!(dead.contains("does not run here"), "{dead}");
}

#[test]
fn the_log_is_shown_and_holds_no_word_of_anybody() {
    let world = World::new();
    let missing = world.run(&["logs"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("hint: `towline up` writes it"), "{}", missing.err);
    let config = world.home().join(".config/towline");
    std::fs::create_dir_all(&config).unwrap();
    // As much as can be logged, with what people and agents say, and a title, as canaries.
    std::fs::write(config.join("config.toml"), "[log]\nfile_filter = \"trace\"\n").unwrap();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    good(world.run(&["send", "--agent", "demo", "--follow", "Say canary-prompt-7361"]));
    good(world.run(&["rename", "last", "canary-title-7361"]));
    assert_eq!(node.stop().0, Some(0));
    let log = world.data().join("log/towline.log");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&log), mode(log.parent().unwrap())), (0o600, 0o700));
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("ready") && text.contains("stopping"), "{text}");
    let said: Vec<&str> = text.lines().filter(|line| line.contains("canary-")).collect();
    assert!(said.is_empty(), "what was said is logged: {said:?}");
    let shown = good(world.run(&["logs", "-n", "3"]));
    assert!(shown.lines().count() == 3 && text.ends_with(&shown), "{shown}");
}

#[test]
fn shells_and_man_are_served() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = good(world.run(&["completions", shell]));
        assert!(text.contains("towline") && text.contains("archive"), "{shell}");
    }
    assert!(good(world.run(&["man"])).contains(".TH towline 1"));
    let dir = world.home().join("man");
    good(world.run(&["man", "--dir", dir.to_str().unwrap()]));
    assert!(dir.join("towline.1").is_file() && dir.join("towline-export.1").is_file());
    assert!(!world.data().exists(), "none of this makes anything");
}

#[cfg(target_os = "linux")]
#[test]
fn a_service_is_installed_where_there_is_systemd_and_refused_where_there_is_none() {
    let world = World::new();
    let unit = world.home().join(".config/systemd/user/towline.service");
    // No systemd for this user: a clear word, and nothing is left behind.
    let path = [("PATH", "/nowhere")];
    let refused = world.run_with(&["service", "install"], &path);
    assert_eq!(refused.code, Some(3));
    let err =
        "error: services of a user cannot be installed here: there is no systemd\nhint: See what would be written: ";
    assert!(refused.err.starts_with(err), "{}", refused.err);
    assert!(!unit.exists());
    let status = world.run_with(&["--json", "service", "status"], &path);
    assert_eq!(json(&status.out)[0]["installed"], false);

    let printed = good(world.run(&["--data-dir", "else where", "service", "install", "--print"]));
    let place = world.project().join("else where");
    let line = format!("\"--data-dir\" \"{}\" \"up\" \"--no-open\"", place.display());
    assert!(printed.lines().any(|found| found.starts_with("ExecStart=") && found.ends_with(&line)), "{printed}");

    // A systemd that notes what it was told.
    let bin = world.home().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let fake = bin.join("systemctl");
    std::fs::write(&fake, "#!/bin/sh\necho \"$@\" >> \"$HOME/told\"\necho active\n").unwrap();
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let path = [("PATH", path.as_str())];
    assert_eq!(good(world.run_with(&["service", "install"], &path)), format!("installed: {}\n", unit.display()));
    assert!(std::fs::read_to_string(&unit).unwrap().contains("Restart=on-failure"));
    let status = world.run_with(&["--json", "service", "status"], &path);
    let status = json(&good(status)).remove(0);
    assert_eq!((&status["installed"], &status["state"]), (&Value::Bool(true), &"active".into()));
    good(world.run_with(&["service", "uninstall"], &path));
    assert!(!unit.exists());
    let told = std::fs::read_to_string(world.home().join("told")).unwrap();
    let words = [
        "show-environment",
        "daemon-reload",
        "enable --now towline.service",
        "is-active towline.service",
        "disable --now towline.service",
        "daemon-reload",
    ];
    let told: Vec<&str> = told.lines().map(|line| line.trim_start_matches("--user ")).collect();
    assert_eq!(told, words);
}

#[test]
fn the_machine_and_what_was_sent_to_it_are_listed() {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0", "--name", "desk"]);
    good(world.run(&["send", "--agent", "demo", "--follow", "Say hello\nand more"]));
    let hosts = json(&good(world.run(&["--json", "hosts"])));
    assert_eq!(
        (hosts.len(), &hosts[0]["name"], &hosts[0]["presence"], &hosts[0]["own"]),
        (1, &"desk".into(), &"online".into(), &true.into())
    );
    let host = hosts[0]["host"].as_str().unwrap();
    let text = good(world.run(&["hosts"]));
    assert!(text.starts_with("desk  online") && text.contains(host), "{text}");

    // By name, by id and by its beginning; a slip is met with what was meant.
    for name in ["desk", "DE", host] {
        let rows = json(&good(world.run(&["--json", "commands", "--host", name])));
        assert_eq!(
            (rows.len(), &rows[0]["state"], &rows[0]["text"]),
            (1, &"succeeded".into(), &"Say hello\nand more".into()),
            "{name}"
        );
    }
    let slip = world.run(&["send", "--host", "dsk", "--agent", "demo", "x"]);
    assert_eq!(slip.code, Some(2));
    assert!(slip.err.contains("hint: Did you mean `desk`?"), "{}", slip.err);
    let long = world.run(&["send", "--keep", "900h", "x"]);
    assert_eq!(long.code, Some(2), "{}", long.err);

    let command = json(&good(world.run(&["--json", "commands"])))[0]["command"].as_str().unwrap().to_owned();
    let listed = good(world.run(&["commands"]));
    assert!(listed.starts_with(&command) && listed.contains("succeeded") && listed.contains("Say hello…"), "{listed}");
    let late = world.run(&["commands", "cancel", &command]);
    assert_eq!(late.code, Some(1));
    assert!(late.err.contains("The command has started or ended"), "{}", late.err);
    assert_eq!(world.run(&["commands", "cancel", "ffff"]).code, Some(2));
    good(world.run(&["send", "--host", "desk", "--keep", "24h", "--agent", "demo", "--follow", "Say bye"]));
    assert_eq!(node.stop().0, Some(0));
}
