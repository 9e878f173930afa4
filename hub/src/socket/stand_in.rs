//! What goes over a socket in the place of a message that is too large for it: older hosts have written such facts, and a stream keeps
//! what it has. A reader gets the row of the fact with words that say so, and goes on behind it; the bytes themselves are read over
//! HTTP. What stood in the content is not looked at.

use std::borrow::Cow;
use std::collections::BTreeMap;

use protocol::fact::{Change, Headers, Operation};
use protocol::limits::MAX_SOCKET_MESSAGE_BYTES;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// The type of a change that nobody knows and every reader passes over.
const UNKNOWN: &str = "too_large";

/// The message itself, or what stands for it.
pub(super) fn fitting(message: &[u8]) -> Cow<'_, [u8]> {
    if message.len() <= MAX_SOCKET_MESSAGE_BYTES {
        return Cow::Borrowed(message);
    }
    tracing::warn!(bytes = message.len(), "a message is too large for a socket");
    Cow::Owned(stand_in(message))
}

fn stand_in(message: &[u8]) -> Vec<u8> {
    let bytes = message.len();
    let replaced =
        serde_json::from_slice::<Change<BTreeMap<String, Box<RawValue>>>>(message).ok().and_then(|mut change| {
            let content = content(&change.kind, bytes)?;
            change.value.as_mut()?.insert("content".to_owned(), to_raw_value(&content).ok()?);
            serde_json::to_vec(&change).ok()
        });
    // What is large beside its content, or is no fact at all.
    replaced.filter(|text| text.len() <= MAX_SOCKET_MESSAGE_BYTES).unwrap_or_else(|| {
        let headers = Headers { operation: Operation::Update };
        let change =
            Change { kind: UNKNOWN.to_owned(), key: "-".to_owned(), value: Some(json!({ "bytes": bytes })), headers };
        serde_json::to_vec(&change).expect("plain values")
    })
}

/// The content of a row that says so; `None` for a type that is not known to become so large.
fn content(kind: &str, bytes: usize) -> Option<Value> {
    let words = format!("What stood here is too large to be shown ({bytes} bytes).");
    match kind {
        "item" => Some(json!({ "kind": "notice", "level": "warning", "code": "too_large", "text": words })),
        "delta" => Some(json!({ "text": "" })),
        "turn" => Some(json!({ "detail": words, "attachments": [] })),
        // It shows nothing, so there is no `shown` that an answer could consent to: it can be refused.
        "approval" => Some(json!({
            "title": "What is asked is too large to be shown", "detail": "", "place": "", "reason": words, "labels": [], "questions": [],
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::fact::{FeedFact, SessionFact};
    use protocol::id::{ApprovalId, ItemId, SessionId, TurnId};
    use protocol::item::{Item, ItemContent, ItemStatus, Role};
    use protocol::time::UnixMs;

    fn uuid(n: u64) -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(n, &[0; 10]).into_uuid()
    }

    #[test]
    fn the_row_is_there_and_says_what_is_missing() {
        let item = Item {
            v: 1,
            session: SessionId::from_uuid(uuid(1)),
            turn: TurnId::from_uuid(uuid(2)),
            ord: 7,
            parent: None,
            role: Role::Agent,
            sender: None,
            status: ItemStatus::Done,
            index: 3,
            created_at_ms: UnixMs(1),
            settled_at_ms: Some(UnixMs(2)),
            left_out_bytes: 0,
            content: ItemContent::Text { text: "x".repeat(9_000_000) },
        };
        let fact: SessionFact = (ItemId::from_uuid(uuid(3)), Operation::Insert, item.clone()).into();
        let whole = fact.encode().unwrap();
        let SessionFact::Item { id, operation: Operation::Insert, value: Some(shown) } =
            SessionFact::parse(&fitting(&whole)).unwrap()
        else {
            panic!("still an item")
        };
        assert_eq!(id, ItemId::from_uuid(uuid(3)));
        let ItemContent::Notice { code, text, .. } = &shown.content else { panic!("{shown:?}") };
        assert!(code == "too_large" && text.contains(&whole.len().to_string()));
        assert_eq!(shown, Item { content: shown.content.clone(), ..item });
        let small: SessionFact = (ItemId::from_uuid(uuid(3)), Operation::Insert, shown).into();
        let small = small.encode().unwrap();
        assert!(matches!(fitting(&small), Cow::Borrowed(same) if *same == *small), "untouched");
    }

    #[test]
    fn an_approval_can_only_be_refused_and_what_is_no_fact_is_passed_over() {
        let long = "x".repeat(9_000_000);
        let approval = json!({
            "type": "approval", "key": ApprovalId::from_uuid(uuid(4)), "headers": { "operation": "insert" },
            "value": {
                "v": 1, "session": SessionId::from_uuid(uuid(1)), "turn": TurnId::from_uuid(uuid(2)), "item": null, "ord": 1, "kind": "permission", "state": "pending",
                "options": [{ "id": "yes", "kind": "allow_once" }], "decision": null, "createdAtMs": 1,
                "content": { "title": "Run", "detail": long, "place": "", "reason": null, "labels": ["Yes"], "questions": [], "shown": "abc" },
            },
        });
        let approval = serde_json::to_vec(&approval).unwrap();
        let shown = fitting(&approval);
        let FeedFact::Approval { value: Some(shown), .. } = FeedFact::parse(&shown).unwrap() else { panic!("one") };
        assert_eq!((shown.content.shown.as_str(), shown.content.detail.as_str()), ("", ""));
        let long = serde_json::to_vec(&json!({ "type": "item", "key": "x", "junk": long })).unwrap();
        let garbage = vec![b'7'; 9_000_000];
        for message in [long, garbage] {
            let text = fitting(&message);
            assert!(matches!(SessionFact::parse(&text), Ok(SessionFact::Unknown { .. })));
        }
    }
}
