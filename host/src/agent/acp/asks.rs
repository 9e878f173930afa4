//! Permission requests.

use protocol::approval::{ApprovalContent, ApprovalKind, ApprovalOption, OptionKind};
use protocol::item::{ToolCall, ToolKind};
use serde_json::{Value, json};

use super::codec;
use super::forms::Form;
use crate::agent::words::{list, maybe, text};
use crate::agent::{AgentEvent, Answer, DriveError};

/// A permission request that is not answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    id: Value,
    pub(super) tool: String,
    options: Vec<(String, OptionKind)>,
    /// It is a form to fill in.
    pub(super) form: Option<Form>,
}

/// Makes an ask of a request and of what is known of its call.
pub(super) fn ask(id: &Value, params: &Value, call: &ToolCall, cwd: &str) -> (Asked, AgentEvent) {
    let tool = params.get("toolCall").map(|call| text(call, "toolCallId")).unwrap_or_default().to_owned();
    let plan = params.pointer("/toolCall/kind").and_then(Value::as_str) == Some("switch_mode");
    let mut options = Vec::new();
    let mut labels = Vec::new();
    for option in list(params, "options") {
        let id = text(option, "optionId").to_owned();
        let kind = match text(option, "kind") {
            "allow_once" => OptionKind::AllowOnce,
            "reject_once" => OptionKind::Deny,
            "reject_always" => OptionKind::DenyAlways,
            // A kind that is not known may allow anything for any time: it is taken for what needs the most.
            _ => OptionKind::AllowAlways,
        };
        labels.push(maybe(option, "name").unwrap_or_else(|| id.clone()));
        options.push(ApprovalOption { id, kind });
    }
    let content = ApprovalContent {
        title: if call.title.is_empty() { "Use a tool".to_owned() } else { call.title.clone() },
        detail: detail(call, plan),
        place: cwd.to_owned(),
        reason: None,
        labels,
        ..ApprovalContent::default()
    };
    let kind = if plan { ApprovalKind::Plan } else { ApprovalKind::Permission };
    let asked = Asked {
        id: id.clone(),
        tool: tool.clone(),
        options: options.iter().map(|it| (it.id.clone(), it.kind)).collect(),
        form: None,
    };
    let item = (!tool.is_empty()).then_some(tool);
    (asked, AgentEvent::Ask { request: codec::key(id), item, kind, options, content })
}

/// What will be done, exactly as it will run.
fn detail(call: &ToolCall, plan: bool) -> String {
    let input: Value = serde_json::from_str(&call.input).unwrap_or_default();
    if plan && let Some(plan) = maybe(&input, "plan") {
        return plan;
    }
    if call.tool == ToolKind::Execute {
        match input.get("command") {
            Some(Value::String(command)) => return command.clone(),
            Some(Value::Array(words)) => return words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
            _ => {}
        }
    }
    let mut paths: Vec<&str> = call.diffs.iter().map(|diff| diff.path.as_str()).collect();
    paths.extend(call.locations.iter().map(|at| at.path.as_str()));
    paths.dedup();
    if !paths.is_empty() {
        return paths.join("\n");
    }
    if input.is_null() { call.title.clone() } else { serde_json::to_string_pretty(&input).unwrap_or_default() }
}

impl Asked {
    pub(super) fn form(id: &Value, tool: String, form: Form) -> Self {
        Self { id: id.clone(), tool, options: Vec::new(), form: Some(form) }
    }

    /// The line that answers, and whether it refuses.
    pub(super) fn answer(&self, answer: &Answer) -> Result<(String, bool), DriveError> {
        if let Some(form) = &self.form {
            return Ok((form.answer(&self.id, answer)?, answer.option != "answer"));
        }
        let chosen = self.options.iter().find(|(id, _)| *id == answer.option);
        let (id, kind) =
            chosen.ok_or_else(|| DriveError::Refused { detail: format!("there is no option `{}`", answer.option) })?;
        Ok((codec::permit(&self.id, Some(id)), matches!(kind, OptionKind::Deny | OptionKind::DenyAlways)))
    }

    /// The line that says that the turn was cancelled.
    pub(super) fn cancelled(&self) -> String {
        match self.form {
            Some(_) => codec::answer(&self.id, &json!({ "action": "cancel" })),
            None => codec::permit(&self.id, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_refuse_is_taken_for_a_consent_that_lasts() {
        let kinds =
            ["allow_once", "allow_always", "reject_once", "reject_always", "allow_session", "reject_kindly", ""];
        let options: Vec<Value> = kinds.iter().map(|kind| json!({ "optionId": kind, "kind": kind })).collect();
        let (_, event) = ask(&json!(1), &json!({ "options": options }), &ToolCall::default(), "/");
        let AgentEvent::Ask { options, .. } = event else { panic!("{event:?}") };
        let kinds: Vec<OptionKind> = options.into_iter().map(|option| option.kind).collect();
        let [once, always] = [OptionKind::AllowOnce, OptionKind::AllowAlways];
        assert_eq!(kinds, [once, always, OptionKind::Deny, OptionKind::DenyAlways, always, always, always]);
    }
}
