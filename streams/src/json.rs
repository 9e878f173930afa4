//! JSON mode: what a body of a JSON stream holds, kept as it was written.

use std::fmt;

use bytes::Bytes;
use protocol::limits::MAX_APPEND_MESSAGES;
use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A body cannot be added to a JSON stream.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    Invalid(#[from] serde_json::Error),
    /// It is an array without messages.
    #[error("an empty array holds no message")]
    Empty,
    /// It is an array of more than [`MAX_APPEND_MESSAGES`].
    #[error("an array holds at most {MAX_APPEND_MESSAGES} messages")]
    TooMany,
}

/// The messages of a body: the elements of an array, or the body itself when it is something else. Exactly one level is opened,
/// and the text of each message stays as it is, with its big numbers and the order of its keys.
///
/// # Errors
/// [`JsonError`].
pub fn messages(body: &[u8]) -> Result<Vec<Bytes>, JsonError> {
    let whole: &RawValue = serde_json::from_slice(body)?;
    if !whole.get().starts_with('[') {
        return Ok(vec![copy(whole)]);
    }
    let found = serde_json::Deserializer::from_str(whole.get()).deserialize_seq(Elements)?;
    match found {
        None => Err(JsonError::TooMany),
        Some(elements) if elements.is_empty() => Err(JsonError::Empty),
        Some(elements) => Ok(elements),
    }
}

/// Takes the elements of an array one by one, so that one with too many costs no more than its text; `None` for that.
struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Option<Vec<Bytes>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(element) = array.next_element::<&RawValue>()? {
            if found.len() == MAX_APPEND_MESSAGES {
                while array.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            found.push(copy(element));
        }
        Ok(Some(found))
    }
}

/// One array of messages, as a reader gets it.
pub fn array<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut text = vec![b'['];
    for message in messages {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(message);
    }
    text.push(b']');
    text
}

/// Copied, because a slice would keep the whole body in memory for as long as one message is shared.
fn copy(value: &RawValue) -> Bytes {
    Bytes::copy_from_slice(value.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(body: &str, expected: &[&str]) {
        let found = messages(body.as_bytes()).expect(body);
        assert_eq!(found, expected.iter().map(|m| Bytes::copy_from_slice(m.as_bytes())).collect::<Vec<_>>(), "{body}");
    }

    #[test]
    fn one_level_is_opened_and_text_is_kept() {
        check(r#"{"b":1,"a":2}"#, &[r#"{"b":1,"a":2}"#]);
        check(" 12345678901234567890.10 ", &["12345678901234567890.10"]);
        check("[1, [2,3] ,\n{\"a\" : []}]", &["1", "[2,3]", "{\"a\" : []}"]);
        check("[[]]", &["[]"]);
        check("null", &["null"]);
        check(r#""[""#, &[r#""[""#]);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for body in ["", "{", "[1,]", "1 2", "nul", "[1]]", "\u{feff}1"] {
            assert!(matches!(messages(body.as_bytes()), Err(JsonError::Invalid(_))), "{body}");
        }
        assert!(matches!(messages(b"\"\xff\""), Err(JsonError::Invalid(_))));
        assert!(matches!(messages(b" [ ] "), Err(JsonError::Empty)));
    }

    proptest! {
        #[test]
        fn an_array_of_messages_opens_to_the_messages(values in proptest::collection::vec(any::<(i64, String)>(), 1..8)) {
            let texts: Vec<String> = values.iter().map(|v| serde_json::to_string(v).expect("json")).collect();
            let body = array(texts.iter().map(String::as_bytes));
            let found = messages(&body).expect("an array");
            prop_assert_eq!(found, texts.into_iter().map(Bytes::from).collect::<Vec<_>>());
        }
    }

    #[test]
    fn fuzz_json_batches() {
        let good =
            [r#"[{"b":1,"a":"é"},[1,2],"x",null]"#, r#"{"type":"turn","key":"k","value":{"v":1}}"#, "[]", "12.50"];
        let told = fuzz::target("json-batches", &fuzz::words(&good), |input| {
            let Ok(found) = messages(input) else { return false };
            let again = messages(&array(found.iter().map(Bytes::as_ref))).expect("an array of messages");
            assert_eq!(again, found);
            true
        });
        assert!(told.understood > told.count / 20, "{told:?}");
    }
}
