//! Configuration: where values come from, what is refused, and a file that only changes for the better.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use world::World;

fn file(world: &World) -> PathBuf {
    world.home().join(".config/towline/config.toml")
}

fn write(world: &World, text: &str) {
    std::fs::create_dir_all(file(world).parent().unwrap()).unwrap();
    std::fs::write(file(world), text).unwrap();
}

/// The value and origin of a setting, as `config show` says.
fn shown(world: &World, key: &str, args: &[&str], environment: &[(&str, &str)]) -> (Value, Value, Value) {
    let args: Vec<&str> = ["--json", "config", "show"].iter().chain(args).copied().collect();
    let ran = world.run_with(&args, environment);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let lines = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let line = lines.into_iter().find(|line| line["key"] == key).unwrap();
    (line["value"].clone(), line["origin"].clone(), line["by"].clone())
}

#[test]
fn flags_go_before_the_environment_before_the_file_before_the_default() {
    let world = World::new();
    let key = "host.turns_at_once";
    let path = file(&world).display().to_string();
    assert_eq!(shown(&world, key, &[], &[]), (Value::Null, "default".into(), Value::Null));
    write(&world, "[host]\nturns_at_once = 2\n");
    assert_eq!(shown(&world, key, &[], &[]), (2.into(), "file".into(), path.into()));
    let variable = [("TOWLINE_TURNS_AT_ONCE", "3")];
    assert_eq!(shown(&world, key, &[], &variable), (3.into(), "environment".into(), "TOWLINE_TURNS_AT_ONCE".into()));
    let flag = ["--turns-at-once", "4"];
    assert_eq!(shown(&world, key, &flag, &variable), (4.into(), "flag".into(), "--turns-at-once".into()));
    write(&world, "[listen]\nlan = true\n");
    assert_eq!(shown(&world, "listen.lan", &["--lan=false"], &[]).0, false, "a flag can say no");
    let text = world.run(&["config", "show"]).out;
    assert!(text.lines().any(|line| line.starts_with("listen.lan ") && line.ends_with("  file, line 2")), "{text}");
}

#[test]
fn what_the_file_says_is_what_runs() {
    let world = World::new();
    std::fs::create_dir_all(world.home().join("work")).unwrap();
    let text = "[data]\ndirectory = \"~/kept\"\n[listen]\naddress = \"127.0.0.1:0\"\n[host]\nname = \"Bench\"\nprojects = [\"../../work\"]\nturns_at_once = 2\n";
    write(&world, text);
    let node = world.up(&[]);
    assert_eq!(node.ready["dataDir"], world.home().join("kept").to_str().unwrap());
    let projects = world.run(&["--json", "projects"]).out;
    assert!(projects.contains(r#""path":"~/work""#) && projects.lines().count() == 1, "{projects}");
    let devices = world.run(&["devices"]).out;
    assert!(devices.contains("Bench"), "{devices}");
    assert_eq!(node.stop().0, Some(0));
    assert!(!world.data().exists());
}

#[test]
fn what_is_wrong_is_refused_with_its_line_and_no_value() {
    let world = World::new();
    write(&world, "[listen]\nlissten = 1\ntls_key = \"-----BEGIN twl_canary\"\n\n[hosts]\n");
    let path = file(&world).display().to_string();
    let err = format!(
        "error: the configuration {path} is not right\n  \
         line 2: there is no `listen.lissten`; in [listen] there are address, lan, host_names, tls_cert_file, tls_key_file, public_url, trusted_proxies\n  \
         line 3: there is no `listen.tls_key`; did you mean `tls_key_file`?\n  \
         line 5: there is no table [hosts]; did you mean [host]?\n\
         hint: Correct it with `towline config edit`; `towline config show` lists every setting there is.\n"
    );
    for args in [&["up"][..], &["sessions"], &["config", "show"], &[]] {
        let ran = world.run(args);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(3), "", err.as_str()), "{args:?}");
    }
    let ran = world.run_with(&["--config", "/dev/null", "sessions"], &[("TOWLINE_LAN", "twl_canary")]);
    let err = "error: TOWLINE_LAN is not understood: expected `true` or `false`\nhint: Correct it, or remove it: unset TOWLINE_LAN\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(3), err));
    let ran = world.run(&["--config", "none.toml", "sessions"]);
    assert_eq!(ran.code, Some(3));
    assert!(
        ran.err.contains("hint: --config names it; make it with `towline config edit`, or leave --config out."),
        "{}",
        ran.err
    );
    // What is needed to put it right works all the same.
    assert_eq!(world.run(&["config", "path"]).out, format!("{path}\n"));
    assert_eq!(world.run(&["--help"]).code, Some(0));
}

#[test]
fn half_a_certificate_is_refused_wherever_it_was_said() {
    let world = World::new();
    let ran = world.run(&["up", "--tls-cert", "a.pem", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.err.contains("hint: Give --tls-key FILE, or `listen.tls_key_file` in the configuration."),
        "{}",
        ran.err
    );
    write(&world, "[listen]\ntls_key_file = \"key.pem\"\n");
    assert_eq!(world.run(&["up"]).code, Some(3));
}

/// An editor that does what a script says with the file.
fn editor(world: &World, script: &str) -> String {
    let path = world.home().join("editor");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{} --wait", path.display())
}

#[test]
fn an_edit_is_checked_before_it_counts() {
    let world = World::new();
    let edit = |script: &str| world.run_with(&["config", "edit"], &[("EDITOR", &editor(&world, script))]);
    let read = || std::fs::read_to_string(file(&world)).unwrap_or_default();
    // The first time it begins with the example; nothing changed is nothing written.
    let ran = edit("test \"$1\" = --wait && grep -q turns_at_once \"$2\"");
    assert_eq!((ran.code, ran.out.as_str(), read().as_str()), (Some(0), "nothing changed\n", ""));
    let ran = edit("printf '[host]\\nname = \"Bench\"\\n' > \"$2\"");
    assert_eq!((ran.code, read().as_str()), (Some(0), "[host]\nname = \"Bench\"\n"), "{}", ran.err);
    let mode = std::fs::metadata(file(&world)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // A mistake keeps the old file, and what was typed.
    let ran = edit("printf '[host]\\nnam = \"Other\"\\n' > \"$2\"");
    assert_eq!((ran.code, read().as_str()), (Some(3), "[host]\nname = \"Bench\"\n"));
    assert!(ran.err.contains("line 2: there is no `host.nam`; did you mean `name`?"), "{}", ran.err);
    assert!(ran.err.contains("is as it was. `towline config edit` goes on with what you typed"), "{}", ran.err);
    let ran = edit("sed -i 's/nam /name /' \"$2\"");
    assert_eq!((ran.code, read().as_str()), (Some(0), "[host]\nname = \"Other\"\n"), "{}", ran.err);
    // An editor that fails says no.
    let ran = edit("echo x > \"$2\"; exit 1");
    assert_eq!((ran.code, read().as_str()), (Some(1), "[host]\nname = \"Other\"\n"));
    let ran = world.run_with(&["config", "edit"], &[("EDITOR", "/no/such/editor")]);
    assert_eq!((ran.code, read().as_str()), (Some(1), "[host]\nname = \"Other\"\n"));
    let left: Vec<_> = std::fs::read_dir(file(&world).parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_policy_is_checked_before_it_counts() {
    let world = World::new();
    let policy = world.home().join(".config/towline/policy.toml");
    let edit = |script: &str| world.run_with(&["policy", "edit"], &[("EDITOR", &editor(&world, script))]);
    let read = || std::fs::read_to_string(&policy).unwrap_or_default();
    // It begins with words that allow nothing; nothing changed is nothing written.
    let ran = edit("test \"$1\" = --wait && grep -q 'git push' \"$2\" && ! grep -q '^[^#]' \"$2\"");
    assert_eq!((ran.code, ran.out.as_str(), read().as_str()), (Some(0), "nothing changed\n", ""), "{}", ran.err);
    let denies = "[[rule]]\ndecision = \"deny\"\ncommand = \"git push\"\n";
    let ran = edit("printf '[[rule]]\\ndecision = \"deny\"\\ncommand = \"git push\"\\n' > \"$2\"");
    assert_eq!((ran.code, read().as_str()), (Some(0), denies), "{}", ran.err);
    assert!(ran.out.contains("It counts at once."), "{}", ran.out);
    assert_eq!(std::fs::metadata(&policy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(world.run(&["policy", "test", "git push"]).code, Some(5));
    // What would open everything to questions is not put in place, and not lost.
    let ran = edit("printf '[[rule]]\\ndecision = \"alow\"\\n' > \"$2\"");
    assert_eq!((ran.code, read().as_str()), (Some(3), denies));
    assert!(ran.err.contains("line 2: "), "{}", ran.err);
    assert!(ran.err.contains("is as it was. `towline policy edit` goes on with what you typed"), "{}", ran.err);
    assert_eq!(world.run(&["policy", "test", "git push"]).code, Some(5));
    let ran = edit("sed -i 's/alow/allow/; $a command = \"git push\"' \"$2\"");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(world.run(&["policy", "test", "git push"]).code, Some(0), "{}", read());
    let left: Vec<_> = std::fs::read_dir(policy.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
