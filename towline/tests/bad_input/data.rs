//! The door of the data directory: damage, other formats, other owners, and disks that are full or read-only. After each row the damage is
//! taken back, and everything that was acknowledged is there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::canary::Canary;
use crate::row::Outcome;
use crate::world::{Ran, World};

/// What a node says that does not start.
fn refused(world: &World) -> Ran {
    // One that starts all the same is ended, and its exit code is 124.
    let mut command = Command::new("timeout");
    command.arg("15").arg(program()).args(["up", "--no-open", "--listen", "127.0.0.1:0"]);
    ran(command, world)
}

fn program() -> PathBuf {
    std::env::var_os("TOWLINE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_towline").into()).into()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

fn outcome(input: &str, code: i32, word: &str, ran: &Ran, unharmed: Result<(), String>) -> Outcome {
    let first = ran.err.lines().find(|line| line.starts_with("error: ")).unwrap_or("nothing was said");
    let told = if ran.err.contains(word) { word } else { first };
    Outcome {
        input: input.to_owned(),
        wanted: format!("exit {code}: {word}"),
        got: format!("exit {}: {told}", ran.code.unwrap_or(-1)),
        next_step: ran.err.contains("\nhint: ") && !ran.err.contains("panicked"),
        unharmed,
    }
}

type Damage = (&'static str, fn(&Path), i32, &'static str);

const DAMAGES: &[Damage] = &[
    (
        "a store that is a text",
        |data| write(data, "store/store.sqlite3", &b"not a database. ".repeat(4_096)),
        3,
        "is not a store",
    ),
    ("a store of another program", |data| poke(data, 68, b"\0\0\0\x07"), 3, "is not a store"),
    ("a store of a newer version", |data| poke(data, 60, &99_u32.to_be_bytes()), 3, "format 99"),
    ("a store of format nothing", |data| poke(data, 60, &0_u32.to_be_bytes()), 3, "damaged"),
    ("a store whose first page is overwritten", |data| poke(data, 100, &[0xa5; 3_000]), 3, "damaged"),
    ("a store whose pages are overwritten", |data| poke(data, 4_096, &vec![0xa5; 64 << 10]), 3, "malformed"),
    ("a store that is cut in half", halve, 3, "damaged"),
    ("a store that is a directory", |data| replace_by_directory(&data.join("store/store.sqlite3")), 3, "cannot open"),
    ("a place for the store that is a file", |data| replace_by_file(&data.join("store")), 3, "cannot open"),
    ("a data directory that is a file", replace_by_file, 3, "cannot use the data directory"),
    ("a data directory of somebody else", give_away, 3, "belongs to another user"),
    ("a list of projects that is garbage", |data| write(data, "projects.json", b"{\"paths\":7}"), 3, "projects.json"),
    ("a key that is garbage", |data| write(data, "node.key", b"\xff\xfe"), 3, "node.key"),
];

fn write(data: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(data.join(name), bytes).unwrap();
}

/// Overwrites a part of the store.
fn poke(data: &Path, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(data.join("store/store.sqlite3")).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn halve(data: &Path) {
    let file = std::fs::File::options().write(true).open(data.join("store/store.sqlite3")).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

fn replace_by_directory(path: &Path) {
    std::fs::remove_file(path).unwrap();
    std::fs::create_dir(path).unwrap();
}

fn replace_by_file(path: &Path) {
    std::fs::remove_dir_all(path).unwrap();
    std::fs::write(path, "x").unwrap();
}

fn give_away(data: &Path) {
    std::os::unix::fs::chown(data, Some(12_345), None).unwrap();
}

pub(crate) fn rows() -> Vec<Outcome> {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let canary = Canary::sing(&world, &node);
    let mut outcomes =
        vec![outcome("a data directory that is in use", 3, "runs already", &refused(&world), canary.unharmed())];
    assert_eq!(node.stop().0, Some(0));
    let good = world.folder.path().join("good");
    copy(&world.data(), &good);
    // Only the system's owner can give a directory away.
    let may_give = rustix::process::geteuid().is_root();
    for (input, damage, code, word) in DAMAGES.iter().filter(|row| may_give || !row.0.contains("somebody else")) {
        damage(&world.data());
        let ran = refused(&world);
        outcomes.push(outcome(input, *code, word, &ran, restored(&world, &good, &canary)));
    }
    outcomes.extend(disks(&world, &canary, &good));
    outcomes
}

/// Takes the damage back, starts the node, and listens.
fn restored(world: &World, good: &Path, canary: &Canary) -> Result<(), String> {
    let data = world.data();
    if data.is_dir() {
        std::fs::remove_dir_all(&data).unwrap();
    } else {
        std::fs::remove_file(&data).unwrap();
    }
    copy(good, &data);
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let token = std::fs::read_to_string(data.join("local.token")).unwrap().trim().to_owned();
    let unharmed = canary.at(node.url(), &token).unharmed();
    assert_eq!(node.stop().0, Some(0));
    unharmed
}

/// A shell in a mount namespace of its own; `None` where the system makes none.
fn unshared(script: &str) -> Option<Command> {
    let may =
        Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status().is_ok_and(|done| done.success());
    may.then(|| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "/bin/sh", "-c", script]);
        command
    })
}

fn ran(mut command: Command, world: &World) -> Ran {
    let output = command
        .env_clear()
        .env("HOME", world.home())
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .current_dir(world.project())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Disks that take nothing.
fn disks(world: &World, canary: &Canary, good: &Path) -> Vec<Outcome> {
    let (program, data, good_path) = (program(), world.data(), good.display());
    let program = program.display();
    let data_path = data.display();
    let up = format!("exec timeout 20 {program} up --no-open --listen 127.0.0.1:0");
    let rows = [
        (
            "a disk that is read-only",
            format!("mount --bind {data_path} {data_path} && mount -o remount,bind,ro {data_path} && {up}"),
            "Read-only file system",
        ),
        (
            "a disk that is full at the start",
            format!(
                "mount -t tmpfs -o size=2m none {data_path} && cp -a {good_path}/. {data_path}/ ; head -c 4000000 /dev/zero > {data_path}/filler; {up}"
            ),
            "No space left on device",
        ),
    ];
    let mut outcomes = Vec::new();
    for (input, script, word) in rows {
        let Some(command) = unshared(&script) else {
            println!("data directory: no mount namespaces here, so not tried: {input}");
            continue;
        };
        let ran = ran(command, world);
        outcomes.push(outcome(input, 3, word, &ran, restored(world, good, canary)));
    }
    outcomes
}
