//! JSON-RPC 2.0 in lines. What we write is made of the protocol's own types; what we read stays a JSON value, because the types lose
//! what they do not know.

use std::path::PathBuf;

use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1::{
    CancelNotification, ClientCapabilities, ContentBlock, FileSystemCapabilities, ImageContent, Implementation,
    InitializeRequest, ListSessionsRequest, LoadSessionRequest, NewSessionRequest, PromptRequest,
    RequestPermissionOutcome, RequestPermissionResponse, ResumeSessionRequest, SelectedPermissionOutcome,
    SetSessionModeRequest, TextContent,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::agent::Image;

/// The answer to a method that we do not have (JSON-RPC 2.0 §5.1).
const METHOD_NOT_FOUND: i64 = -32601;

/// A request of ours.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

fn call(method: &'static str, params: &impl Serialize) -> Call {
    // The types hold strings and lists only, which always become JSON.
    Call { method, params: serde_json::to_value(params).unwrap_or_default() }
}

/// The first request: version 1, with files of the project and terminals.
pub(super) fn initialize(version: &str, reads: bool) -> Call {
    let info = Implementation::new("towline", version).title("Towline".to_owned());
    let files = FileSystemCapabilities::new().read_text_file(reads).write_text_file(true);
    let capabilities = ClientCapabilities::new().fs(files).terminal(true);
    let request = InitializeRequest::new(ProtocolVersion::V1).client_capabilities(capabilities).client_info(info);
    let mut call = call("initialize", &request);
    // Not part of the types yet: questions with choices and fields, but no pages to be opened.
    call.params["clientCapabilities"]["elicitation"] = json!({ "form": {} });
    call
}

pub(super) fn new_session(cwd: &str) -> Call {
    call("session/new", &NewSessionRequest::new(cwd))
}

pub(super) fn load_session(session: &str, cwd: &str) -> Call {
    call("session/load", &LoadSessionRequest::new(session.to_owned(), cwd))
}

pub(super) fn resume_session(session: &str, cwd: &str) -> Call {
    call("session/resume", &ResumeSessionRequest::new(session.to_owned(), cwd))
}

pub(super) fn fork_session(session: &str, cwd: &str) -> Call {
    // Not part of the stable protocol yet; its parameters are those of `session/resume`.
    Call { method: "session/fork", ..resume_session(session, cwd) }
}

/// Asks for the sessions that the agent has for a directory, from a place in the list on.
pub(super) fn list_sessions(cwd: &str, cursor: Option<&str>) -> Call {
    let request = ListSessionsRequest::new().cwd(PathBuf::from(cwd)).cursor(cursor.map(str::to_owned));
    call("session/list", &request)
}

pub(super) fn prompt(session: &str, text: &str, images: &[Image]) -> Call {
    let image = |image: &Image| ContentBlock::Image(ImageContent::new(image.base64(), image.media_type.clone()));
    let mut blocks: Vec<ContentBlock> = images.iter().map(image).collect();
    if !text.is_empty() || blocks.is_empty() {
        blocks.push(ContentBlock::Text(TextContent::new(text)));
    }
    call("session/prompt", &PromptRequest::new(session.to_owned(), blocks))
}

pub(super) fn set_mode(session: &str, mode: &str) -> Call {
    call("session/set_mode", &SetSessionModeRequest::new(session.to_owned(), mode.to_owned()))
}

pub(super) fn set_config(session: &str, config: &str, value: &str) -> Call {
    // The type wants to know the sort of the option; every select takes its value as it stands.
    let params = json!({ "sessionId": session, "configId": config, "value": value });
    Call { method: "session/set_config_option", params }
}

pub(super) fn set_model(session: &str, model: &str) -> Call {
    // Not part of the stable protocol; spoken by agents that offer `models` and no options.
    Call { method: "session/set_model", params: json!({ "sessionId": session, "modelId": model }) }
}

/// The line of a request.
pub(super) fn request(id: u64, call: &Call) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": call.method, "params": call.params }).to_string()
}

/// The line that stops the turn.
pub(super) fn cancel(session: &str) -> String {
    let call = call("session/cancel", &CancelNotification::new(session.to_owned()));
    json!({ "jsonrpc": "2.0", "method": call.method, "params": call.params }).to_string()
}

/// The line that answers a permission request; `None` says that the turn was cancelled.
pub(super) fn permit(id: &Value, option: Option<&str>) -> String {
    let outcome = option.map_or(RequestPermissionOutcome::Cancelled, |option| {
        RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.to_owned()))
    });
    let result = serde_json::to_value(RequestPermissionResponse::new(outcome)).unwrap_or_default();
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

/// The line that answers a request.
pub(super) fn answer(id: &Value, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

/// The line that says why a request is not done.
pub(super) fn error(id: &Value, code: i64, words: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": words } }).to_string()
}

/// The line that refuses a request.
pub(super) fn refuse(id: &Value, method: &str) -> String {
    error(id, METHOD_NOT_FOUND, &format!("Towline has no `{method}`"))
}

/// An id as a key: numbers and strings are told apart.
pub(super) fn key(id: &Value) -> String {
    id.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_the_protocol_writes_them() {
        let line = request(1, &initialize("0.1.0", true));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["params"]["protocolVersion"], 1);
        assert_eq!(line["params"]["clientInfo"]["name"], "towline");
        let capabilities = &line["params"]["clientCapabilities"];
        assert_eq!(capabilities["fs"], json!({ "readTextFile": true, "writeTextFile": true }));
        assert_eq!(capabilities["terminal"], true);
        assert_eq!(capabilities["elicitation"], json!({ "form": {} }));
        assert_eq!(new_session("/p").params, json!({ "cwd": "/p", "mcpServers": [] }));
        assert_eq!(load_session("s", "/p").params, json!({ "sessionId": "s", "cwd": "/p", "mcpServers": [] }));
        let words = json!({ "type": "text", "text": "hi" });
        assert_eq!(prompt("s", "hi", &[]).params, json!({ "sessionId": "s", "prompt": [words] }));
        let image = Image { media_type: "image/png".to_owned(), bytes: bytes::Bytes::from_static(b"\x89PNG") };
        let block = json!({ "type": "image", "mimeType": "image/png", "data": "iVBORw==" });
        assert_eq!(prompt("s", "hi", &[image]).params, json!({ "sessionId": "s", "prompt": [block, words] }));
        assert_eq!(set_mode("s", "plan").params, json!({ "sessionId": "s", "modeId": "plan" }));
        let answer: Value = serde_json::from_str(&permit(&json!(7), Some("a"))).unwrap();
        assert_eq!(answer["result"], json!({ "outcome": { "outcome": "selected", "optionId": "a" } }));
        let answer: Value = serde_json::from_str(&permit(&json!("x"), None)).unwrap();
        assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": "x", "result": { "outcome": { "outcome": "cancelled" } } }));
        assert_ne!(key(&json!(1)), key(&json!("1")));
    }
}
