//! The program as a person at a terminal meets it: in a real pseudo-terminal, typed at.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod pairing;
mod pty;
#[path = "../world/mod.rs"]
mod world;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;

use pty::{CTRL_C, CTRL_D, Terminal, screen};
use rustix::process::Signal;
use world::{Running, World};

pub(crate) const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn node() -> (World, Running) {
    let world = World::new();
    let node = world.up(&LISTEN);
    (world, node)
}

fn is_coloured(text: &str) -> bool {
    text.contains("\x1b[")
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let world = World::new();
    // What is a result, what goes wrong, and what is mistyped: three writers.
    for args in [&["doctor"][..], &["open"], &["sned"]] {
        let shown = |environment: &[(&str, &str)]| Terminal::start(&world, 80, args, environment).end().1;
        let plain = |text: &str| screen(text).join("\n");
        let coloured = shown(&[]);
        assert!(is_coloured(&coloured), "{args:?}: {coloured:?}");
        for environment in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
            let bare = shown(&environment);
            assert!(!is_coloured(&bare), "{args:?} with {environment:?}: {bare:?}");
            // Nothing is said by colour alone. What doctor finds may change between two looks; its marks may not.
            if args != ["doctor"] {
                assert_eq!(plain(&bare), plain(&coloured), "{args:?}");
            }
        }
        assert!(is_coloured(&shown(&[("NO_COLOR", "")])), "an empty NO_COLOR is none (no-color.org)");
        let piped = world.run(args);
        assert!(!is_coloured(&piped.out) && !is_coloured(&piped.err), "{args:?}: {piped:?}");
    }
    assert!(!is_coloured(&Terminal::start(&world, 80, &["--json", "doctor"], &[]).end().1), "JSON has no colours");
}

#[test]
fn a_session_is_deleted_only_by_a_typed_yes() {
    let (world, node) = node();
    let sent = world.run(&["send", "--agent", "demo", "--follow", "[[rate 1]] [[say Tide.]]"]);
    let session = sent.err.trim().to_owned();
    let is_there = || world.run(&["sessions", "--json"]).out.contains(&session);
    for (typed, shown) in [("n\r", "kept"), ("\r", "kept"), ("yes please\r", "kept"), (CTRL_D, "kept")] {
        let mut terminal = Terminal::start(&world, 80, &["delete", &session], &[]);
        let question = terminal.expect("Delete it? [y/N] ");
        assert!(question.contains("goes for good") && is_there(), "{question}");
        terminal.keys(typed);
        let (status, all) = terminal.end();
        assert_eq!(status.code(), Some(0), "{typed:?}: {all}");
        // The answer stands on a line of its own, also where no Enter was typed.
        assert_eq!(screen(&all).iter().filter(|line| *line == shown).count(), 1, "{typed:?}: {all}");
        assert!(is_there(), "{typed:?}");
    }
    let mut terminal = Terminal::start(&world, 80, &["delete", &session], &[]);
    terminal.expect("[y/N] ");
    terminal.keys(CTRL_C);
    let (status, all) = terminal.end();
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{all}");
    assert!(is_there(), "who leaves has not said yes");

    let mut terminal = Terminal::start(&world, 40, &["delete", &session], &[]);
    terminal.expect("[y/N] ");
    terminal.keys("y\r");
    let (status, all) = terminal.end();
    assert_eq!(status.code(), Some(0), "{all}");
    let lines = screen(&all);
    assert!(lines.iter().any(|line| line.starts_with("deleted: ")), "{lines:?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 40), "what is said is folded at the width: {lines:#?}");
    assert!(!is_there());
    assert_eq!(node.stop().0, Some(0));
}

#[test]
fn what_takes_over_a_second_says_so_to_a_person_and_to_nobody_else() {
    let (world, node) = node();
    let session = world.run(&["send", "--agent", "demo", "--follow", "[[rate 1]] [[say Tide.]]"]).err.trim().to_owned();
    node.signal(Signal::STOP);
    // Verbs of each sort: lists, edits, reads; and one terminal that is too narrow for the words.
    let verbs: [&[&str]; 6] = [
        &[],
        &["sessions"],
        &["rename", &session, "Ebb"],
        &["audit", "--limit", "1"],
        &["export", &session],
        &["doctor"],
    ];
    let mut waiting: Vec<(u16, Terminal)> =
        verbs.iter().map(|args| (80, Terminal::start(&world, 80, args, &[]))).collect();
    waiting.push((20, Terminal::start(&world, 20, &["sessions"], &[])));
    std::thread::scope(|scope| {
        let piped = scope.spawn(|| world.run(&["sessions"]));
        let json = Terminal::start(&world, 80, &["--json", "sessions"], &[]);
        for (_, terminal) in &mut waiting {
            terminal.expect("●");
        }
        node.signal(Signal::CONT);
        let piped = piped.join().unwrap();
        assert_eq!((piped.code, piped.err.as_str()), (Some(0), ""), "a pipe hears nothing of it");
        let (_, json) = json.end();
        assert!(!json.contains('●') && !is_coloured(&json), "{json:?}");
    });
    for (columns, terminal) in waiting {
        let (_, all) = terminal.end();
        let pictures: Vec<&str> = all.split("\r\x1b[2K").filter(|text| text.starts_with('●')).collect();
        assert!(!pictures.is_empty(), "{all:?}");
        let first = pictures[0].split(['\r', '\n']).next().unwrap();
        assert!(first.chars().count() < usize::from(columns), "it fits on one line: {first:?}");
        assert!(columns < 80 || first.ends_with(" s)"), "{first:?}");
        let left: Vec<String> = screen(&all).into_iter().filter(|line| line.contains(" s)")).collect();
        assert!(left.is_empty(), "and nothing of it stays: {left:?}");
    }
    assert_eq!(node.stop().0, Some(0));
}

#[test]
fn the_configuration_is_edited_in_the_terminal() {
    let world = World::new();
    let editor = world.folder.path().join("editor");
    // It has the terminal for itself, as `vi` wants it.
    let script = "#!/bin/sh\ntest -t 0 && test -t 1 || exit 9\nprintf 'A name for %s? ' \"$1\"\nread -r name\n\
                  printf '[host]\\nname = %s\\n' \"$name\" > \"$2\"\n";
    std::fs::write(&editor, script).unwrap();
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o700)).unwrap();
    let command = format!("{} host", editor.display());
    let edit = |typed: &str| {
        let mut terminal = Terminal::start(&world, 80, &["config", "edit"], &[("EDITOR", &command)]);
        terminal.expect("A name for host? ");
        terminal.keys(typed);
        terminal.end()
    };
    let (status, all) = edit("\"Attic\r");
    assert_eq!(status.code(), Some(3), "{all}");
    assert!(all.contains("`towline config edit` goes on with what you typed"), "{all}");
    let (status, all) = edit("\"Attic\"\r");
    assert_eq!(status.code(), Some(0), "{all}");
    assert!(all.contains("Going on with the draft") && all.contains("written: "), "{all}");
    let shown = world.run(&["config", "show"]).out;
    assert!(shown.lines().any(|line| line.starts_with("host.name") && line.contains("Attic")), "{shown}");
    // Leaving the editor changes nothing.
    let (status, all) = edit(CTRL_C);
    assert_ne!(status.code(), Some(0), "{all}");
    assert_eq!(world.run(&["config", "show"]).out, shown);
}
