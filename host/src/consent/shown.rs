//! The hash of what people are shown: consent is bound to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use protocol::approval::{ApprovalContent, ApprovalKind, ApprovalOption};
use protocol::item::{ToolCall, ToolKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What stands before everything, so that the hash of an approval is never that of anything else.
const DOMAIN: &str = "towline approval 1\n";

/// The SHA-256 of what an approval shows, in lower-case hex: its words, its answers with what they mean, and the input and the edits
/// of its tool call; and of the `whole`, where that is too long to be shown. Whatever changes in one of these changes the hash.
pub(crate) fn hash(
    kind: ApprovalKind,
    options: &[ApprovalOption],
    content: &ApprovalContent,
    call: Option<&ToolCall>,
    whole: &str,
) -> String {
    let ApprovalContent { title, detail, place, reason, labels, questions, danger, because, shown: _, left_out_bytes } =
        content;
    let call = call.map(|call| json!([call.tool, call.name, call.input, call.locations, call.diffs]));
    // An array: the order is part of it, and no two values can run into one another.
    let all = json!([
        kind,
        options,
        title,
        detail,
        place,
        reason,
        labels,
        questions,
        danger,
        because,
        call,
        left_out_bytes,
        whole
    ]);
    digest(&all.to_string())
}

/// What of a tool call decides what it does: the same for two spellings of the same input. `whole` is the digest of one of which
/// something was left out.
pub(crate) fn call_key(call: Option<&ToolCall>, whole: &str) -> String {
    let Some(call) = call else { return String::new() };
    let input: Value = serde_json::from_str(&call.input).unwrap_or_else(|_| Value::String(call.input.clone()));
    let input = canonical(&input);
    digest(&json!([call.tool, call.name, input, call.diffs, whole]).to_string())
}

/// The command of a call that runs one.
pub(crate) fn command_of(call: &ToolCall) -> Option<String> {
    if call.tool != ToolKind::Execute {
        return None;
    }
    let input: Value = serde_json::from_str(&call.input).ok()?;
    input.get("command").and_then(Value::as_str).map(str::to_owned)
}

/// A value as text, its keys in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, String> = map.iter().map(|(key, value)| (key, canonical(value))).collect();
            format!("{sorted:?}")
        }
        Value::Array(values) => format!("{:?}", values.iter().map(canonical).collect::<Vec<_>>()),
        plain => plain.to_string(),
    }
}

/// The SHA-256 of a text, in lower-case hex.
pub(crate) fn digest(text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(text);
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use protocol::approval::OptionKind;

    use super::*;

    #[test]
    fn every_part_of_what_is_shown_counts() {
        let options = [ApprovalOption { id: "yes".into(), kind: OptionKind::AllowOnce }];
        let content = ApprovalContent { title: "Run".into(), detail: "npm test".into(), ..ApprovalContent::default() };
        let call = ToolCall { input: "{}".into(), ..ToolCall::default() };
        let base = hash(ApprovalKind::Permission, &options, &content, Some(&call), "");
        assert_eq!(base.len(), 64);
        assert_eq!(base, hash(ApprovalKind::Permission, &options, &content, Some(&call), ""));
        let other = ApprovalContent { detail: "npm test ".into(), ..content.clone() };
        assert_ne!(base, hash(ApprovalKind::Permission, &options, &other, Some(&call), ""));
        let moved = ApprovalContent { title: "Runn".into(), detail: "pm test".into(), ..content.clone() };
        assert_ne!(base, hash(ApprovalKind::Permission, &options, &moved, Some(&call), ""));
        let input = ToolCall { input: "{ }".into(), ..call.clone() };
        assert_ne!(base, hash(ApprovalKind::Permission, &options, &content, Some(&input), ""));
        assert_ne!(base, hash(ApprovalKind::Plan, &options, &content, Some(&call), ""));
        assert_ne!(base, hash(ApprovalKind::Permission, &[], &content, Some(&call), ""));
        assert_ne!(base, hash(ApprovalKind::Permission, &options, &content, Some(&call), "what nobody is shown"));
        let less = ApprovalContent { left_out_bytes: 1, ..content.clone() };
        assert_ne!(base, hash(ApprovalKind::Permission, &options, &less, Some(&call), ""));
        // What the call printed meanwhile is not what was asked.
        let printed = ToolCall { output: "x".into(), ..call };
        assert_eq!(base, hash(ApprovalKind::Permission, &options, &content, Some(&printed), ""));
    }
}
