//! Every reader of the wire against damaged input (W-041): nothing panics, hangs or keeps what it got, and what is understood is said
//! again in the same way. `cargo xtask fuzz` runs a million of each.

use std::path::PathBuf;

use fuzz::{Corpus, json, target, words};
use protocol::api;
use protocol::command::CommandRequest;
use protocol::error::Problem;
use protocol::fact::{FeedFact, SessionFact};
use protocol::fold::Transcript;
use protocol::id::{
    AccountId, ApprovalId, AuditId, CommandId, DeviceId, ItemId, PairingId, ProjectId, RequestId, SessionId, TurnId,
};
use protocol::link::{HubFrame, NodeFrame};
use protocol::offset::Offset;
use protocol::path::StreamPath;
use protocol::polled::{Hear, Heard, Opened, Said, Taken};
use protocol::socket::{ClientFrame, ServerFrame};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn fixtures(name: &str) -> Corpus {
    json(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name))
}

/// Reads a value; one that is understood survives being written.
fn reads<T: DeserializeOwned + Serialize>(input: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<T>(input) else { return false };
    let text = serde_json::to_vec(&value).expect("what was read is written");
    let again: T = serde_json::from_slice(&text).expect("what was written is read");
    assert_eq!(serde_json::to_vec(&again).expect("written"), text);
    true
}

#[test]
fn fuzz_client_frames() {
    let told = target("client-frames", &fixtures("wire/client-frames.json"), reads::<ClientFrame>);
    assert!(told.understood > told.count / 20, "{told:?}");
}

#[test]
fn fuzz_server_frames() {
    let told = target("server-frames", &fixtures("wire/server-frames.json"), |input| {
        std::str::from_utf8(input).is_ok_and(|text| ServerFrame::parse(text).is_ok())
    });
    assert!(told.understood > told.count / 20, "{told:?}");
}

#[test]
fn fuzz_link_frames() {
    let (session, device) = ("ses_019b76daa80073038303030303030303", "dev_019b76daa80072028202020202020202");
    let zero = "0".repeat(64);
    let corpus = words(&[
        r#"{"type":"bye"}"#,
        r#"{"type":"heard","number":7}"#,
        r#"{"type":"renew","req":1,"remote_access":"active","remoteAccess":"active"}"#,
        r#"{"type":"taken","commands":[{"command":"cmd_019b76daa80073038303030303030303","token":1,"state":"queued"}]}"#,
        &format!(
            r#"{{"type":"push","req":1,"facts":[{{"a":1.0}}],"whole":"first","cursor":{{"offset":"0000000000000000_0000000000000007","last":"{zero}"}},"pieces":[{{"stream":"sessions/{session}/journal","session":"{session}","at":"0000000000000000_0000000000000000","before":"{zero}","messages":[{{}}],"close":false}}]}}"#
        ),
        &format!(r#"{{"type":"news","news":[[1,{{"type":"deleted","session":"{session}"}}]]}}"#),
        &format!(r#"{{"type":"mismatch","req":1,"mismatch":{{"stream":"a/b","tail":null,"chain":"{zero}"}}}}"#),
        &format!(
            r#"{{"type":"hand","commands":[{{"command":"cmd_019b76daa80073038303030303030303","token":1,"sender":"{device}","body":{{"kind":"cancel_turn","session":"{session}","turn":null}},"expiresInMs":1}}]}}"#
        ),
    ]);
    let told = target("link-frames", &corpus, |input| {
        let text = std::str::from_utf8(input).unwrap_or_default();
        NodeFrame::parse(text).is_ok() || reads::<HubFrame>(input)
    });
    assert!(told.understood > told.count / 100, "{told:?}");
}

#[test]
fn fuzz_polled_links() {
    let corpus = words(&[
        r#"{"first":1,"frames":[{"type":"bye"},{"type":"heard","number":7}]}"#,
        r#"{"first":3,"frames":[{"type":"pushed","req":1}],"end":4401}"#,
        r#"{"after":3,"waitMs":20000}"#,
        r#"{"taken":3}"#,
        r#"{"connection":"con_019b76daa80073038303030303030303","longestWaitMs":20000,"maxBytes":1}"#,
    ]);
    let told = target("polled-links", &corpus, |input| {
        [
            reads::<Said>(input),
            reads::<Heard>(input),
            reads::<Hear>(input),
            reads::<Taken>(input),
            reads::<Opened>(input),
        ]
        .contains(&true)
    });
    assert!(told.understood > told.count / 100, "{told:?}");
}

#[test]
fn fuzz_commands() {
    let told = target("commands", &fixtures("wire/commands.json"), reads::<CommandRequest>);
    assert!(told.understood > told.count / 20, "{told:?}");
}

#[test]
fn fuzz_bodies() {
    target("http-bodies", &fixtures("wire/http-bodies.json"), |input| {
        let read = [
            reads::<api::ClaimRequest>(input),
            reads::<api::NodeClaimRequest>(input),
            reads::<api::NodeCode>(input),
            reads::<api::ClaimStatusRequest>(input),
            reads::<api::NewPairing>(input),
            reads::<api::PairingAnswer>(input),
            reads::<api::ClaimStatus>(input),
            reads::<api::Me>(input),
            reads::<Problem>(input),
        ];
        read.contains(&true)
    });
}

#[test]
fn fuzz_ids() {
    let corpus =
        words(&["ses_019b76daa80073038303030303030303", "acc_019b76daa80071018101010101010101", "cmd_0", "ses_"]);
    target("ids", &corpus, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return false };
        let same = |read: Option<String>| read.is_some_and(|said| said == text || panic!("{text} became {said}"));
        macro_rules! any {
            ($($kind:ty),*) => { [$(same(text.parse::<$kind>().ok().map(|id| id.to_string()))),*].contains(&true) };
        }
        any!(
            AccountId, ApprovalId, AuditId, CommandId, DeviceId, ItemId, PairingId, ProjectId, RequestId, SessionId,
            TurnId
        )
    });
}

#[test]
fn fuzz_offsets() {
    let corpus =
        words(&["0000000000000000_0000000000000000", "0000000000000003_0000000000012345", "-1", "now", "start"]);
    target("offsets", &corpus, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return false };
        let Ok(offset) = text.parse::<Offset>() else { return false };
        assert_eq!(offset.to_string(), text);
        true
    });
}

#[test]
fn fuzz_paths() {
    let corpus = words(&[
        "sessions/ses_019b76daa80073038303030303030303/journal",
        "accounts/acc_019b76daa80071018101010101010101/feed",
        "turns/trn_019b76daa80074048404040404040404/live",
        "a/b/c",
    ]);
    target("paths", &corpus, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return false };
        let Ok(path) = text.parse::<StreamPath>() else { return false };
        assert_eq!(path.as_str(), text);
        assert!(!text.split('/').any(|part| matches!(part, "" | "." | "..")) && !text.contains('\0'));
        if let Some(owned) = path.owned() {
            let built = match owned {
                protocol::path::Owned::Feed(id) => StreamPath::feed(id),
                protocol::path::Owned::Journal(id) => StreamPath::journal(id),
                protocol::path::Owned::Turn(id) => StreamPath::turn(id),
            };
            assert_eq!(built, path, "one name for one stream");
        }
        true
    });
}

#[test]
fn fuzz_feed_facts() {
    target("feed-facts", &fixtures("wire/feed-facts.json"), |input| match FeedFact::parse(input) {
        Ok(fact) => {
            if let Some(text) = fact.encode() {
                assert_eq!(FeedFact::parse(&text).expect("what was written is read").encode(), Some(text));
            }
            true
        }
        Err(_) => false,
    });
}

#[test]
fn fuzz_session_facts_and_their_fold() {
    // A transcript takes whatever facts it is given, in any order, and can always be shown.
    let turn: TurnId = "trn_019b76daa80074048404040404040404".parse().expect("an id");
    let corpus = fixtures("wire/session-facts.json");
    let (mut transcript, mut taken) = (Transcript::new(), 0_u32);
    target("session-facts", &corpus, |input| {
        let Ok(fact) = SessionFact::parse(input) else { return false };
        if let Some(text) = fact.encode() {
            assert_eq!(SessionFact::parse(&text).expect("what was written is read").encode(), Some(text));
        }
        taken += 1;
        if taken.is_multiple_of(2) {
            transcript.live(turn, fact);
        } else {
            transcript.journal(fact);
        }
        if taken.is_multiple_of(64) {
            let _ = transcript.canonical();
            transcript = Transcript::new();
        }
        true
    });
}
