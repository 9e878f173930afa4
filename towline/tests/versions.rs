//! The command line beside a node that speaks another version of the protocol. Both are the real program; what stands between them on
//! real sockets says another number where each says its own, as a program of another year would.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test starts the program, and fails when a step of it fails; it uses a part of the world"
)]

mod world;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use world::World;

/// Who is of another version.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Other {
    /// The node takes only what this command line does not speak: it hangs up with 4426.
    Asks,
    /// The node answers in a version that this command line does not know.
    Answers,
}

/// Passes connections on to a node, and changes the first frame of a socket; its address.
fn between(node: &str, other: Other) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let node = node.strip_prefix("http://").unwrap().to_owned();
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(&node).unwrap();
            let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || pass(near, far, other == Other::Asks));
            std::thread::spawn(move || pass(far_too, near_too, other == Other::Answers));
        }
    });
    format!("http://{address}")
}

/// Copies to the end, one way.
fn pass(mut from: TcpStream, mut to: TcpStream, change: bool) {
    let mut bytes = [0; 16_384];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 || to.write_all(&changed(&bytes[..count], change)).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Frames of the same length that say version 9 for 1. A client's frame is masked (RFC 6455 §5.3), so it is looked at without its mask.
fn changed(bytes: &[u8], change: bool) -> Vec<u8> {
    if !change {
        return bytes.to_vec();
    }
    let plain = replaced(bytes, r#""protocol":1,"#, r#""protocol":9,"#);
    let masked = bytes.first() == Some(&0x81) && bytes.get(1).is_some_and(|length| length & 0x80 != 0);
    if !masked {
        return plain;
    }
    let at = if bytes[1] & 0x7f == 126 { 4 } else { 2 };
    let (head, rest) = plain.split_at(at + 4);
    let mask = &head[at..];
    let turn =
        |text: &[u8]| -> Vec<u8> { text.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect() };
    let told = replaced(&turn(rest), r#""protocolMin":1,"protocolMax":1"#, r#""protocolMin":9,"protocolMax":9"#);
    [head, &turn(&told)].concat()
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut out = bytes.to_vec();
    if let Some(at) = bytes.windows(from.len()).position(|part| part == from.as_bytes()) {
        out[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    out
}

#[test]
fn a_node_of_another_version_is_said_to_be_one_with_what_to_do() {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    assert_eq!(world.run(&["send", "--agent", "demo", "--follow", "Say hello"]).code, Some(0));
    assert_eq!(world.run(&["tail", "last", "--until-idle"]).code, Some(0));
    let file = world.data().join("node.json");
    let before = std::fs::read_to_string(&file).unwrap();
    for other in [Other::Asks, Other::Answers] {
        let address = between(node.url(), other);
        // What the node's own file would say of a node that runs there.
        std::fs::write(&file, before.replace(node.url(), &address)).unwrap();
        for args in [&["tail", "last"][..], &["send", "--session", "last", "--follow", "Say hello"]] {
            let ran = world.run(args);
            assert_eq!(ran.code, Some(1), "{other:?} {args:?}: {}{}", ran.out, ran.err);
            // `send` has named its session by then.
            let (_, said) = ran.err.split_once("error: ").unwrap();
            let (wrong, next) = said.split_once('\n').unwrap();
            assert_eq!(wrong, "one side is too old to talk to the other", "{other:?} {args:?}");
            let hint = format!("hint: This is Towline {}; `towline` says which one runs. ", env!("CARGO_PKG_VERSION"));
            assert!(next.contains(&hint) && next.contains("start it again, or update this one."), "{}", ran.err);
            assert!(!ran.err.contains("panicked"), "{}", ran.err);
        }
    }
    std::fs::write(&file, before).unwrap();
    assert_eq!(world.run(&["tail", "last", "--until-idle"]).code, Some(0), "nothing was lost by it");
    assert_eq!(node.stop().0, Some(0));
    world.expect_nothing_left();
}
