//! The door of the command line: what is typed, and what is found in files.

use crate::canary::Canary;
use crate::row::Outcome;
use crate::world::{Ran, World};

const ID: &str = "019b76daa80073038303030303030303";

/// What is typed, the exit code, and a word of what is said.
type Row = (&'static str, Vec<String>, i32, &'static str);

fn typed(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Whether a person is told what to do next: by us, or by the reader of arguments.
fn says_next(ran: &Ran) -> bool {
    ["hint: ", "tip: ", "Usage: ", "For more information", "[possible values"].iter().any(|word| ran.err.contains(word))
}

fn judge(input: &str, ran: &Ran, code: i32, word: &str, canary: &Canary) -> Outcome {
    let first = ran.err.lines().find(|line| line.starts_with("error: ")).unwrap_or("nothing was said");
    let told = if ran.err.contains(word) { word } else { first };
    let panicked = ran.err.contains("panicked") || ran.err.contains("RUST_BACKTRACE");
    Outcome {
        input: input.to_owned(),
        wanted: format!("exit {code}: {word}"),
        got: format!("exit {}: {told}", ran.code.unwrap_or(-1)),
        next_step: says_next(ran) && first.starts_with("error: ") && !panicked,
        unharmed: canary.unharmed(),
    }
}

pub(crate) fn rows() -> Vec<Outcome> {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let canary = Canary::sing(&world, &node);
    let folder = world.folder.path();
    std::fs::write(folder.join("text.pem"), "not PEM").unwrap();
    std::os::unix::fs::symlink(folder.join("loop"), folder.join("loop")).unwrap();
    let mut outcomes: Vec<Outcome> = table(&world, &canary)
        .into_iter()
        .map(|(input, words, code, word)| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            judge(input, &world.run(&words), code, word, &canary)
        })
        .collect();
    outcomes.extend(files(&world, &canary));
    assert_eq!(node.stop().0, Some(0));
    outcomes
}

fn table(world: &World, canary: &Canary) -> Vec<Row> {
    let at = |name: &str| world.folder.path().join(name).to_str().unwrap().to_owned();
    let (session, text) = (canary.session.to_string(), at("text.pem"));
    let up = |words: &[&str]| {
        let other = at("other");
        typed(&[&["up", "--no-open", "--data-dir", &other], words].concat())
    };
    vec![
        ("a verb that is none", typed(&["dance"]), 2, "dance"),
        ("a verb with a typing error", typed(&["sessoins"]), 2, "sessions"),
        ("a flag that is none", typed(&["sessions", "--moon"]), 2, "--moon"),
        ("a prompt that is missing", typed(&["send"]), 2, "<TEXT>"),
        ("a session that is none", typed(&["tail", "moon", "--until-idle"]), 2, "moon"),
        ("a session that is not there", typed(&["tail", &format!("ses_{ID}"), "--until-idle"]), 1, "no such"),
        ("an id of another kind", typed(&["tail", &format!("trn_{ID}"), "--until-idle"]), 2, "trn_"),
        ("a walk up instead of a session", typed(&["tail", "../../etc/passwd", "--until-idle"]), 2, "../../etc/passwd"),
        ("a prompt for no session", typed(&["send", "--session", &format!("ses_{ID}"), "x"]), 1, "no such"),
        ("an empty prompt", typed(&["send", "--session", &session, ""]), 2, "the prompt is empty"),
        (
            "an agent that is not there",
            typed(&["send", "--follow", "--agent", "moon", "x"]),
            1,
            "agent cannot be started",
        ),
        (
            "an agent that is not installed",
            typed(&["send", "--follow", "--agent", "claude", "x"]),
            1,
            "agent cannot be started",
        ),
        ("a project that is not there", typed(&["send", "--agent", "demo", "--project", "moon", "x"]), 2, "moon"),
        (
            "a model that is not there",
            typed(&["send", "--follow", "--agent", "demo", "--model", "moon", "x"]),
            1,
            "model",
        ),
        ("a mode that is not there", typed(&["send", "--follow", "--agent", "demo", "--mode", "moon", "x"]), 1, "mode"),
        (
            "a session and an agent",
            typed(&["send", "--session", &session, "--agent", "demo", "x"]),
            2,
            "cannot be used with",
        ),
        ("an approval that is none", typed(&["answer", "moon", "allow"]), 2, "moon"),
        ("an approval that is not there", typed(&["answer", &format!("apr_{ID}"), "allow"]), 1, "is not open"),
        ("a device that is none", typed(&["devices", "revoke", "moon"]), 2, "moon"),
        ("a device that is not there", typed(&["devices", "revoke", &format!("dev_{ID}")]), 1, "no such"),
        ("a claim that is not there", typed(&["pair", "allow", &format!("pai_{ID}")]), 1, "no such"),
        ("a directory that is not there", typed(&["projects", "add", "/nowhere/at/all"]), 2, "/nowhere/at/all"),
        ("a file instead of a directory", typed(&["projects", "add", &text]), 2, "text.pem"),
        ("a link that leads to itself", typed(&["projects", "add", &at("loop")]), 2, "loop"),
        (
            "the data directory as a project",
            typed(&["projects", "add", world.data().to_str().unwrap()]),
            2,
            "data directory",
        ),
        (
            "a directory inside of the data directory",
            typed(&["projects", "add", world.data().join("store").to_str().unwrap()]),
            2,
            "data directory",
        ),
        ("a project that is not there at the start", up(&["--project", "/nowhere/at/all"]), 3, "/nowhere/at/all"),
        ("plain HTTP for everybody", up(&["--listen", "0.0.0.0:0"]), 3, "plain HTTP"),
        ("an address that is none", up(&["--listen", "moon"]), 2, "moon"),
        ("an address of another machine", up(&["--listen", "127.0.0.1:99999"]), 2, "99999"),
        ("a certificate without a key", up(&["--tls-cert", &text]), 2, "--tls-key"),
        (
            "a certificate that is not there",
            up(&["--listen", "127.0.0.1:0", "--tls-cert", &at("none"), "--tls-key", &text]),
            3,
            "none",
        ),
        (
            "a certificate that is none",
            up(&["--listen", "127.0.0.1:0", "--tls-cert", &text, "--tls-key", &text]),
            3,
            "text.pem",
        ),
        ("an agent without a command", up(&["--acp-agent", "moon"]), 2, "NAME=COMMAND"),
        ("an agent that takes another's name", up(&["--acp-agent", "demo=x"]), 2, "demo"),
        (
            "streams for everybody",
            typed(&["streams", "--open", "--data-dir", &at("s"), "--listen", "0.0.0.0:0"]),
            3,
            "--open",
        ),
        ("streams for nobody", typed(&["streams", "--data-dir", &at("s"), "--listen", "127.0.0.1:0"]), 2, "--open"),
        (
            "credentials of streams that are not there",
            typed(&["streams", "--token-file", &at("none"), "--data-dir", &at("s")]),
            3,
            "none",
        ),
        (
            "credentials of streams that are empty",
            typed(&["streams", "--token-file", "/dev/null", "--data-dir", &at("s")]),
            3,
            "no credential",
        ),
        ("a wait that is none", typed(&["streams", "--open", "--long-poll-timeout", "soon"]), 2, "soon"),
    ]
}

/// What the command line finds in the data directory of a node that runs.
fn files(world: &World, canary: &Canary) -> Vec<Outcome> {
    let file = |name: &str| world.data().join(name);
    let mut outcomes = Vec::new();
    let mut with = |input: &str, name: &str, bytes: &[u8], code: i32, word: &str| {
        let good = std::fs::read(file(name)).unwrap();
        std::fs::write(file(name), bytes).unwrap();
        let ran = world.run(&["sessions"]);
        std::fs::write(file(name), good).unwrap();
        outcomes.push(judge(input, &ran, code, word, canary));
    };
    with("a credential that is garbage", "local.token", b"\xff\xfe\n", 5, "credential of the command line");
    with(
        "a credential of somebody else",
        "local.token",
        b"twl_dev_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        5,
        "not enrolled",
    );
    with("an empty credential", "local.token", b"", 5, "");
    with("a node that is garbage", "node.json", b"{", 4, "does not run");
    with(
        "a node somewhere else",
        "node.json",
        br#"{"url":"http://127.0.0.1:1","publicUrl":"x","pid":1,"version":"x"}"#,
        4,
        "127.0.0.1:1",
    );
    with("a node that is no address", "node.json", br#"{"url":"moon","publicUrl":"x","pid":1,"version":"x"}"#, 3, "");
    outcomes
}
