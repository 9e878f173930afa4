//! The door of the configuration: the file, and the variables that say the same.

use crate::canary::Canary;
use crate::row::Outcome;
use crate::world::{Ran, World};

/// What the file says, the exit code, and a word of what is said of it.
type Row = (&'static str, Vec<u8>, &'static str);

fn table() -> Vec<Row> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("a file that is no TOML", text("dance"), "line 1"),
        ("a file that is not UTF-8", b"[host]\nname = \"\xff\xfe\"\n".to_vec(), "UTF-8"),
        ("a file with a zero byte", text("[host]\nname = \"a\0b\"\n"), "line 2"),
        ("a table that nobody knows", text("[moon]\nx = 1\n"), "[moon]"),
        ("a table with a typing error", text("[hots]\nname = \"x\"\n"), "did you mean [host]?"),
        ("a key that nobody knows", text("[host]\nmoon = 1\n"), "host.moon"),
        ("a key with a typing error", text("[host]\ntruns_at_once = 1\n"), "turns_at_once"),
        ("a key outside of a table", text("name = \"x\"\n"), "name"),
        ("a key twice", text("[host]\nname = \"x\"\nname = \"y\"\n"), "line 3"),
        ("a word for a number", text("[host]\nturns_at_once = \"many\"\n"), "host.turns_at_once"),
        ("a number below the least", text("[host]\nturns_at_once = -1\n"), "host.turns_at_once"),
        ("no turns at all", text("[host]\nturns_at_once = 0\n"), "host.turns_at_once"),
        ("a number beyond the most", text("[host]\nturns_at_once = 99999999999999999999\n"), "line 2"),
        ("a number for a switch", text("[listen]\nlan = 1\n"), "listen.lan"),
        ("a text for a list", text("[host]\nprojects = \"here\"\n"), "host.projects"),
        ("a list of numbers", text("[host]\nprojects = [1]\n"), "host.projects"),
        ("an address that is none", text("[listen]\naddress = \"moon\"\n"), "listen.address"),
        ("a name with a slash", text("[listen]\nhost_names = [\"a/b\"]\n"), "listen.host_names"),
        ("brackets 10 000 deep", [b"[host]\nname = ".to_vec(), b"[".repeat(10_000)].concat(), "line 2"),
        ("a table 10 000 deep", [b"a".to_vec(), b".a".repeat(10_000), b" = 1\n".to_vec()].concat(), "line 1"),
        ("a file of 8 MB", b"# x\n".repeat(2 << 20), "more than 1 MiB"),
    ]
}

fn judge(input: &str, ran: &Ran, word: &str, canary: &Canary) -> Outcome {
    let first = ran.err.lines().find(|line| line.starts_with("error: ")).unwrap_or("nothing was said");
    let told = if ran.err.contains(word) { word } else { ran.err.as_str() };
    Outcome {
        input: input.to_owned(),
        wanted: format!("exit 3: {word}"),
        got: format!("exit {}: {told}", ran.code.unwrap_or(-1)),
        next_step: ran.err.contains("\nhint: ") && first.starts_with("error: ") && !ran.err.contains("panicked"),
        unharmed: canary.unharmed(),
    }
}

pub(crate) fn rows() -> Vec<Outcome> {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let canary = Canary::sing(&world, &node);
    let file = world.home().join(".config/towline/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut outcomes = Vec::new();
    for (input, text, word) in table() {
        std::fs::write(&file, text).unwrap();
        outcomes.push(judge(input, &world.run(&["config", "show"]), word, &canary));
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    outcomes.push(judge("a directory instead of a file", &world.run(&["config", "show"]), "config.toml", &canary));
    std::fs::remove_dir(&file).unwrap();
    let missing = world.run(&["--config", "/nowhere/at/all.toml", "config", "show"]);
    outcomes.push(judge("a file that is not there", &missing, "/nowhere/at/all.toml", &canary));
    for (input, name, value) in [
        ("a variable that is no number", "TOWLINE_TURNS_AT_ONCE", "many"),
        ("a variable that is no address", "TOWLINE_LISTEN", "moon"),
    ] {
        outcomes.push(judge(input, &world.run_with(&["config", "show"], &[(name, value)]), name, &canary));
    }
    assert_eq!(node.stop().0, Some(0));
    outcomes
}
