//! `up` in a terminal: its QR code is read as a camera reads it, and a device is let in by typing.

use client::{Api, Dialer, Remote};
use protocol::api::{ClaimRequest, ClaimStatus, ClaimStatusRequest};
use protocol::device::DeviceKind;
use serde_json::Value;

use crate::pty::{CTRL_C, Terminal, screen};
use crate::world::World;

/// Pixels for each module of the code.
const SCALE: usize = 4;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A certificate and its key: a phone is let in by a QR code only where it can reach the node.
fn certificate(world: &World) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = world.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    [file("cert.pem", made.cert.pem()), file("key.pem", made.signing_key.serialize_pem())]
}

/// The newest QR code on the screen, with what it says.
fn read(lines: &[String]) -> Option<(Vec<&String>, String)> {
    let is_code = |line: &&String| line.chars().count() > 20 && line.chars().all(|c| "█▀▄ ".contains(c));
    let last = lines.iter().rposition(|line| is_code(&line))?;
    let code: Vec<&String> =
        lines[..=last].iter().rev().take_while(is_code).collect::<Vec<_>>().into_iter().rev().collect();
    // What is drawn is light.
    let light = |x: usize, y: usize| {
        let Some(c) = code.get(y / 2).and_then(|line| line.chars().nth(x)) else { return false };
        c == '█' || c == if y.is_multiple_of(2) { '▀' } else { '▄' }
    };
    let (width, height) = (code[0].chars().count() + 2, code.len() * 2 + 2);
    let pixel = |x: usize, y: usize| {
        // A terminal is dark around it.
        let (x, y) = ((x / SCALE).checked_sub(1), (y / SCALE).checked_sub(1));
        if x.zip(y).is_some_and(|(x, y)| light(x, y)) { 255 } else { 0 }
    };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width * SCALE, height * SCALE, pixel);
    let grids = image.detect_grids();
    let (_, text) = grids.first()?.decode().ok()?;
    Some((code, text))
}

/// Claims as a browser does that opened the address of the code.
fn claim(local: &str, secret: &str) -> (Api, ClaimStatusRequest) {
    let stranger = Api::new(Remote::new(local, None, Dialer::tcp()).unwrap());
    let request = ClaimRequest {
        code: secret.to_owned(),
        name: "Phone".to_owned(),
        platform: "test".to_owned(),
        kind: DeviceKind::Program,
        public_key: None,
    };
    let claimed = runtime().block_on(stranger.claim(&request)).unwrap();
    let ask = ClaimStatusRequest { pairing: claimed.pairing, claim_token: claimed.claim_token, wait_ms: 10_000 };
    (stranger, ask)
}

fn status(phone: &(Api, ClaimStatusRequest)) -> Result<ClaimStatus, client::ApiError> {
    runtime().block_on(phone.0.claim_status(&phone.1))
}

#[test]
fn a_phone_is_let_in_by_the_code_on_the_screen_and_a_typed_yes() {
    for columns in [80, 40] {
        let world = World::new();
        let [certificate, key] = certificate(&world);
        let args = ["up", "--no-open", "--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key];
        let mut terminal = Terminal::start(&world, columns, &args, &[]);
        let mut all = terminal.expect("Ctrl-C stops it.");
        let state: Value = serde_json::from_str(&world.run(&["--json"]).out).unwrap();
        let (url, local) = (state["url"].as_str().unwrap(), state["localUrl"].as_str().unwrap());

        for (typed, words) in [("n\r", "Phone was refused."), ("y\r", "Phone is in.")] {
            let lines = screen(&all);
            let (drawn, text) = read(&lines).unwrap_or_else(|| panic!("no code is read: {lines:#?}"));
            assert!(drawn.iter().all(|line| line.chars().count() <= usize::from(columns)), "{lines:#?}");
            assert!(lines.iter().all(|line| line.chars().count() <= usize::from(columns)), "{lines:#?}");
            let secret = text.strip_prefix(&format!("{url}/pair#")).unwrap_or_else(|| panic!("{text}"));
            assert!(lines.iter().any(|line| line.starts_with("  Code     ")), "{lines:#?}");
            assert!(!lines.iter().any(|line| line.contains(secret)), "the secret is in the picture only");
            let phone = claim(local, secret);
            let question = terminal.expect("Let it in? [y/N] ");
            // People compare the words on both screens, however they are folded.
            let folded = screen(&question).join(" ");
            assert!(folded.contains("A device asks to be let in: ") && folded.contains("Phone (test)"), "{folded}");
            terminal.keys(typed);
            all = terminal.expect(words);
            let told = status(&phone);
            if typed == "y\r" {
                assert!(matches!(told, Ok(ClaimStatus::Approved { credential: Some(_), .. })), "{told:?}");
            } else {
                assert!(!matches!(told, Ok(ClaimStatus::Approved { .. })), "{told:?}");
                all = terminal.expect("new one");
            }
        }
        terminal.keys(CTRL_C);
        terminal.expect("Stopping; again to stop at once.");
        let (status, all) = terminal.end();
        assert_eq!(status.code(), Some(0), "{all}");
        world.expect_nothing_left();
    }
}

#[test]
fn a_terminal_that_is_too_narrow_for_the_code_says_so() {
    let world = World::new();
    let [certificate, key] = certificate(&world);
    let args = ["up", "--no-open", "--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key];
    let mut terminal = Terminal::start(&world, 30, &args, &[]);
    let all = screen(&terminal.expect("Ctrl-C stops it."));
    assert!(read(&all).is_none() && all.iter().any(|line| line.ends_with("too narrow")), "{all:#?}");
    assert!(all.iter().any(|line| line.starts_with("  Code     ")), "{all:#?}");
    terminal.keys(CTRL_C);
    assert_eq!(terminal.end().0.code(), Some(0));
}
