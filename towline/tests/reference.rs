//! The pages that the program makes of its own definitions are fresh.
//!
//! `UPDATE=1 cargo test -p towline --test reference` (or `cargo xtask gen`) writes them anew; without it a stale file fails.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::path::PathBuf;

use world::World;

fn check(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/reference/{file} is stale: run `cargo xtask gen` and commit it");
}

#[test]
fn the_pages_are_fresh() {
    let world = World::new();
    for (form, file) in [("page", "config.md"), ("schema", "config.schema.json"), ("example", "config.example.toml")] {
        let ran = world.run(&["config", "reference", form]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        check(file, &ran.out);
    }
    let ran = world.run(&["policy", "reference"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    check("policy.md", &ran.out);
    let ran = world.run(&["man", "--markdown"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    check("cli.md", &ran.out);
}

#[test]
fn the_example_is_taken_with_every_line_of_it() {
    let world = World::new();
    let example = world.run(&["config", "reference", "example"]).out;
    let file = world.home().join("all.toml");
    let show = |text: &str| {
        std::fs::write(&file, text).unwrap();
        world.run(&["--config", file.to_str().unwrap(), "--json", "config", "show"])
    };
    let from_file = |out: &str| out.lines().filter(|line| line.contains(r#""origin":"file""#)).count();
    let ran = show(&example);
    assert_eq!((ran.code, from_file(&ran.out)), (Some(0), 0), "{}", ran.err);
    // Without the mark of a comment each setting is there, and right.
    let setting =
        |line: &str| line.strip_prefix("# ").filter(|rest| rest.split(' ').nth(1) == Some("=")).map(str::to_owned);
    let all: Vec<String> = example.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned())).collect();
    let ran = show(&all.join("\n"));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_eq!(from_file(&ran.out), ran.out.lines().count(), "{}", ran.out);
}
