//! JSON-RPC in lines as `codex app-server` speaks it: without the `jsonrpc` member. Values stay JSON, because types lose what they do
//! not know.

use serde_json::{Value, json};

use crate::agent::Image;

/// The answer to a method that we do not have (JSON-RPC 2.0 §5.1).
const METHOD_NOT_FOUND: i64 = -32601;

/// Notifications that are not wanted: the diff of the whole turn is repeated after every edit, and every edit has its own item; the
/// rest is about things that are not shown.
const UNWANTED: [&str; 5] = [
    "turn/diff/updated",
    "item/fileChange/outputDelta",
    "remoteControl/status/changed",
    "skills/changed",
    "app/list/updated",
];

/// Says that `initialize` was understood.
pub(super) const INITIALIZED: &str = r#"{"method":"initialized"}"#;

/// A request of ours.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

/// The first request. The experimental part is asked for because questions and the end of a command in the background are in it.
pub(super) fn initialize(version: &str) -> Call {
    let info = json!({ "name": "towline", "title": "Towline", "version": version });
    let can = json!({ "experimentalApi": true, "requestAttestation": false, "optOutNotificationMethods": UNWANTED });
    Call { method: "initialize", params: json!({ "clientInfo": info, "capabilities": can }) }
}

/// A request about one thread; `params` is an object.
pub(super) fn of_thread(method: &'static str, thread: &str, mut params: Value) -> Call {
    params["threadId"] = Value::String(thread.to_owned());
    Call { method, params }
}

/// What a person says, as the input of a turn.
pub(super) fn input(text: &str, images: &[Image]) -> Value {
    let image = |image: &Image| {
        let url = format!("data:{};base64,{}", image.media_type, image.base64());
        json!({ "type": "image", "url": url })
    };
    let mut input: Vec<Value> = images.iter().map(image).collect();
    if !text.is_empty() || input.is_empty() {
        input.push(json!({ "type": "text", "text": text, "text_elements": [] }));
    }
    Value::Array(input)
}

/// The line of a request; ids are numbers where somebody waits for the answer, words where the session's mapper takes it.
pub(super) fn request(id: &Value, call: &Call) -> String {
    json!({ "id": id, "method": call.method, "params": call.params }).to_string()
}

/// The line that answers a request of Codex.
pub(super) fn answer(id: &Value, result: &Value) -> String {
    json!({ "id": id, "result": result }).to_string()
}

/// The line that refuses a request of Codex.
pub(super) fn refuse(id: &Value, method: &str) -> String {
    let error = json!({ "code": METHOD_NOT_FOUND, "message": format!("Towline has no `{method}`") });
    json!({ "id": id, "error": error }).to_string()
}

/// The id of the answers that go to a session's mapper: its seat and a count.
pub(super) fn seat_id(seat: u64, count: u64) -> Value {
    Value::String(format!("seat-{seat}-{count}"))
}

/// The seat that an answer goes to.
pub(super) fn seat_of(id: &Value) -> Option<u64> {
    id.as_str()?.strip_prefix("seat-")?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_the_protocol_writes_them() {
        let line: Value = serde_json::from_str(&request(&json!(1), &initialize("0.1.0"))).unwrap();
        assert_eq!((&line["id"], &line["params"]["clientInfo"]["name"]), (&json!(1), &json!("towline")));
        assert!(line.get("jsonrpc").is_none());
        let image = Image { media_type: "image/png".to_owned(), bytes: bytes::Bytes::from_static(b"\x89PNG") };
        let picture = json!({ "type": "image", "url": "data:image/png;base64,iVBORw==" });
        let words = json!({ "type": "text", "text": "hi", "text_elements": [] });
        assert_eq!(input("hi", std::slice::from_ref(&image)), json!([picture, words]));
        assert_eq!(input("", &[image]), json!([picture]));
        assert_eq!(of_thread("x", "t", json!({})).params, json!({ "threadId": "t" }));
        assert_eq!(seat_of(&seat_id(7, 12)), Some(7));
        assert_eq!(seat_of(&json!(7)), None);
    }
}
