//! What a client said: a text becomes a frame, or a reason why not (W-041).

use std::borrow::Cow;

use protocol::command::CommandKind;
use protocol::error::{ErrorCode, Problem};
use protocol::socket::ClientFrame;
use serde::Deserialize;
use serde::de::value::{CowStrDeserializer, Error as ValueError};
use serde_json::value::RawValue;

/// The types of [`ClientFrame`]. A test holds this list to the enum.
const TYPES: [&str; 6] = ["hello", "subscribe", "unsubscribe", "command", "cancel_command", "ping"];
/// Most characters of a reader's complaint that are sent back.
const MAX_DETAIL_CHARS: usize = 200;

/// What a text is.
#[derive(Debug)]
pub(super) enum Heard {
    /// A frame.
    Frame(ClientFrame),
    /// A request that cannot be followed; the conversation goes on.
    Refused {
        /// Its number, where it has one.
        req: Option<u32>,
        /// The subscription that it is about, where it names one.
        sub: Option<u32>,
        /// Why.
        problem: Problem,
        /// Whether it was to be a command.
        command: bool,
    },
    /// Not this protocol at all.
    Noise(Problem),
}

/// The part of every frame that says what it is and where the answer goes, whatever else is in it.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    req: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sub: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CommandFrame<'a> {
    #[serde(borrow)]
    command: CommandOfFrame<'a>,
}

#[derive(Deserialize)]
struct CommandOfFrame<'a> {
    #[serde(borrow)]
    body: BodyOfFrame<'a>,
}

#[derive(Deserialize)]
struct BodyOfFrame<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

/// Reads a text frame.
pub(super) fn read(text: &str) -> Heard {
    let envelope: Envelope<'_> = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(error) => return Heard::Noise(Problem::new(ErrorCode::BadRequest).detail(short(&error.to_string()))),
    };
    let number = |raw: Option<&RawValue>| raw.and_then(|raw| raw.get().parse::<u32>().ok());
    let (req, sub) = (number(envelope.req), number(envelope.sub));
    if !TYPES.contains(&envelope.kind.as_ref()) {
        let detail = format!("no frame of the type `{}`", short(&envelope.kind));
        let problem = Problem::new(ErrorCode::Unsupported).detail(detail);
        return Heard::Refused { req, sub, problem, command: false };
    }
    match serde_json::from_str(text) {
        Ok(frame) => Heard::Frame(frame),
        Err(error) => {
            let problem = match unknown_kind(&envelope.kind, text) {
                Some(kind) => {
                    Problem::new(ErrorCode::Unsupported).detail(format!("no command of the kind `{}`", short(&kind)))
                }
                None => Problem::new(ErrorCode::BadRequest).detail(short(&error.to_string())),
            };
            Heard::Refused { req, sub, problem, command: envelope.kind == "command" }
        }
    }
}

/// The kind of a command that is not on the list.
fn unknown_kind(frame: &str, text: &str) -> Option<String> {
    if frame != "command" {
        return None;
    }
    let kind = serde_json::from_str::<CommandFrame<'_>>(text).ok()?.command.body.kind;
    let known = CommandKind::deserialize(CowStrDeserializer::<ValueError>::new(Cow::Borrowed(kind.as_ref()))).is_ok();
    (!known).then(|| kind.into_owned())
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_DETAIL_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use protocol::id::{CommandId, DeviceId, SessionId};
    use protocol::socket::From;

    fn uuid() -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid()
    }

    fn examples() -> Vec<String> {
        let (session, host, id) =
            (SessionId::from_uuid(uuid()), DeviceId::from_uuid(uuid()), CommandId::from_uuid(uuid()));
        let hello = ClientFrame::Hello { protocol_min: 1, protocol_max: 1, capabilities: vec![], client: "c".into() };
        let stream = protocol::path::StreamPath::journal(session);
        let plain = [
            hello,
            ClientFrame::Subscribe { sub: 1, stream, from: From::Start },
            ClientFrame::Unsubscribe { sub: 1 },
            ClientFrame::CancelCommand { req: 1, command: id },
            ClientFrame::Ping { req: 7 },
        ];
        let mut texts: Vec<String> = plain.iter().map(|frame| serde_json::to_string(frame).unwrap()).collect();
        texts.push(format!(
            r#"{{"type":"command","req":3,"command":{{"id":"{id}","host":"{host}","ttlMs":null,"body":{{"kind":"send_prompt","session":"{session}","content":{{"text":"hi"}}}}}}}}"#
        ));
        texts
    }

    fn refused(text: &str) -> (Option<u32>, Option<u32>, ErrorCode) {
        match read(text) {
            Heard::Refused { req, sub, problem, .. } => (req, sub, problem.code),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_type_is_known() {
        let mut seen: Vec<String> = Vec::new();
        for text in examples() {
            assert!(matches!(read(&text), Heard::Frame(_)), "{text}");
            let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
            seen.push(frame["type"].as_str().unwrap().to_owned());
        }
        seen.sort_unstable();
        let mut known = TYPES.to_vec();
        known.sort_unstable();
        assert_eq!(seen, known);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_its_number() {
        use ErrorCode::{BadRequest, Unsupported};
        assert_eq!(refused(r#"{"type":"dance","req":4}"#), (Some(4), None, Unsupported));
        assert_eq!(refused(r#"{"type":"dance","req":-4,"sub":9}"#), (None, Some(9), Unsupported));
        assert_eq!(refused(r#"{"type":"ping"}"#), (None, None, BadRequest));
        assert_eq!(refused(r#"{"type":"ping","req":4294967296}"#), (None, None, BadRequest));
        assert_eq!(
            refused(r#"{"type":"subscribe","sub":2,"stream":"a/../b","from":"now"}"#),
            (None, Some(2), BadRequest)
        );
        assert_eq!(refused(r#"{"type":"command","req":5,"command":{}}"#), (Some(5), None, BadRequest));
        let unknown = r#"{"type":"command","req":5,"command":{"body":{"kind":"format_disk"}}}"#;
        assert_eq!(refused(unknown), (Some(5), None, Unsupported));
        let deep = format!(r#"{{"type":"command","req":5,"command":{}1{}}}"#, "[".repeat(4000), "]".repeat(4000));
        assert_eq!(refused(&deep), (Some(5), None, BadRequest));
        let deep = format!(r#"{{"type":"x","y":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(refused(&deep), (None, None, Unsupported));
    }

    #[test]
    fn what_is_not_the_protocol_is_noise() {
        for text in ["", "{", "hello", "[]", "null", r#"{"type":1}"#, r#"{"req":1}"#, r#"{"type":"ping","req":1}x"#] {
            assert!(matches!(read(text), Heard::Noise(_)), "{text}");
        }
    }

    #[test]
    fn complaints_are_short() {
        let text = format!(r#"{{"type":"{}"}}"#, "é".repeat(10_000));
        match read(&text) {
            Heard::Refused { problem, .. } => assert!(problem.detail.unwrap().chars().count() < 250),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn any_text_is_read(text in ".{0,300}") {
            let _ = read(&text);
        }

        #[test]
        fn any_damage_is_read(which in 0_usize..6, cuts in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..64)) {
            // Each case reads up to 64 damaged frames: together more than 10⁵.
            let text = examples().swap_remove(which).into_bytes();
            let mut damaged = text.clone();
            for (place, byte) in cuts {
                let place = place % damaged.len();
                damaged[place] = byte;
                if let Ok(damaged) = std::str::from_utf8(&damaged) {
                    let _ = read(damaged);
                }
                let whole = String::from_utf8_lossy(&damaged);
                let _ = read(&whole);
                let _ = read(&whole[..whole.floor_char_boundary(place)]);
            }
        }
    }

    #[test]
    fn fuzz_heard_frames() {
        let examples = examples();
        let corpus = fuzz::words(&examples.iter().map(String::as_str).collect::<Vec<_>>());
        let told = fuzz::target("heard-frames", &corpus, |input| {
            let text = String::from_utf8_lossy(input);
            match read(&text) {
                Heard::Frame(_) => true,
                Heard::Refused { problem, .. } | Heard::Noise(problem) => {
                    let short = problem.detail.is_none_or(|detail| detail.chars().count() < 300);
                    assert!(short && !problem.hint.is_empty());
                    false
                }
            }
        });
        assert!(told.understood > told.count / 20, "{told:?}");
    }
}
