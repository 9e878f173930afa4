//! What Claude asks, and what it is answered.

use protocol::approval::{ApprovalContent, ApprovalKind, ApprovalOption, OptionKind, Question, QuestionOption};
use protocol::item::{ItemContent, ToolKind};
use serde_json::{Map, Value, json};

use super::tools;
use crate::agent::words::{list, maybe, short_path, text, title};
use crate::agent::{AgentEvent, Answer, DriveError};

/// What is told to the agent when a person refuses without a word.
const REFUSED: &str = "The user refused this.";
/// Suggestions that are offered; the CLI makes three at most.
const SUGGESTIONS: usize = 4;

/// A `can_use_tool` request that is not answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) tool_use: Option<String>,
    kind: ApprovalKind,
    input: Value,
    /// What can be allowed for longer, by option id.
    suggestions: Vec<(String, Value)>,
}

/// Makes an ask of a `can_use_tool` request. `known` is what is known of the tool call, `bypass` whether modes that no longer ask may be
/// offered.
pub(super) fn ask(
    request_id: &str,
    request: &Value,
    known: Option<&ItemContent>,
    cwd: &str,
    bypass: bool,
) -> (Asked, AgentEvent) {
    let name = text(request, "tool_name");
    let input = request.get("input").cloned().unwrap_or_else(|| json!({}));
    let kind = match name {
        "AskUserQuestion" => ApprovalKind::Question,
        "ExitPlanMode" => ApprovalKind::Plan,
        _ => ApprovalKind::Permission,
    };
    let mut options = Vec::new();
    let mut labels = Vec::new();
    let mut suggestions = Vec::new();
    let mut offer = |id: &str, kind: OptionKind, label: String| {
        options.push(ApprovalOption { id: id.to_owned(), kind });
        labels.push(label);
    };
    match kind {
        ApprovalKind::Question => {
            offer("answer", OptionKind::Answer, "Answer".to_owned());
            offer("deny", OptionKind::Deny, "Skip".to_owned());
        }
        ApprovalKind::Plan => {
            offer("allow", OptionKind::AllowOnce, "Go ahead".to_owned());
            offer("deny", OptionKind::Deny, "Keep planning".to_owned());
        }
        ApprovalKind::Permission => {
            offer("allow", OptionKind::AllowOnce, "Allow once".to_owned());
            if request.get("suppress_always_allow_rule") != Some(&Value::Bool(true)) {
                for suggestion in list(request, "permission_suggestions").iter().take(SUGGESTIONS) {
                    let Some(label) = scope(suggestion, cwd, bypass) else { continue };
                    let id = format!("always_{}", suggestions.len() + 1);
                    offer(&id, OptionKind::AllowAlways, label);
                    suggestions.push((id, suggestion.clone()));
                }
            }
            offer("deny", OptionKind::Deny, "Deny".to_owned());
        }
    }
    let content = content(request, name, &input, known, cwd, labels);
    let tool_use = maybe(request, "tool_use_id");
    let event = AgentEvent::Ask { request: request_id.to_owned(), item: tool_use.clone(), kind, options, content };
    (Asked { tool_use, kind, input, suggestions }, event)
}

fn content(
    request: &Value,
    name: &str,
    input: &Value,
    known: Option<&ItemContent>,
    cwd: &str,
    labels: Vec<String>,
) -> ApprovalContent {
    let call = tools::describe(name, input, cwd);
    let detail = match (name, call.tool) {
        ("ExitPlanMode", _) => plan_text(input, known),
        ("AskUserQuestion", _) => String::new(),
        (_, ToolKind::Execute) => text(input, "command").to_owned(),
        (_, ToolKind::Edit | ToolKind::Read) => call.locations.first().map(|at| at.path.clone()).unwrap_or_default(),
        ("WebFetch", _) => text(input, "url").to_owned(),
        _ => serde_json::to_string_pretty(input).unwrap_or_default(),
    };
    let said = text(request, "description");
    let heading = match (name, call.tool) {
        ("ExitPlanMode", _) => "Carry out this plan?".to_owned(),
        (_, ToolKind::Execute) if !said.is_empty() => title(said),
        (_, ToolKind::Execute) => "Run a command".to_owned(),
        _ => call.title,
    };
    let blocked = text(request, "blocked_path");
    let reason = maybe(request, "decision_reason")
        .or_else(|| (!blocked.is_empty()).then(|| format!("It touches {}", short_path(blocked, cwd))));
    ApprovalContent {
        title: heading,
        detail,
        place: cwd.to_owned(),
        reason,
        labels,
        questions: questions(name, input),
        ..ApprovalContent::default()
    }
}

/// The plan stands in the request only when the model wrote it to its plan file; else in the tool call.
fn plan_text(input: &Value, known: Option<&ItemContent>) -> String {
    if let Some(plan) = maybe(input, "plan") {
        return plan;
    }
    let Some(ItemContent::ToolCall(call)) = known else { return String::new() };
    let input: Value = serde_json::from_str(&call.input).unwrap_or_default();
    text(&input, "plan").to_owned()
}

fn questions(name: &str, input: &Value) -> Vec<Question> {
    if name != "AskUserQuestion" {
        return Vec::new();
    }
    let option = |option: &Value| QuestionOption {
        label: text(option, "label").to_owned(),
        description: text(option, "description").to_owned(),
    };
    let question = |question: &Value| Question {
        question: text(question, "question").to_owned(),
        header: text(question, "header").to_owned(),
        multiple: question.get("multiSelect") == Some(&Value::Bool(true)),
        options: list(question, "options").iter().map(option).collect(),
    };
    list(input, "questions").iter().map(question).collect()
}

/// What a suggestion would allow, and for how long, in words. `None` for what is not offered.
fn scope(suggestion: &Value, cwd: &str, bypass: bool) -> Option<String> {
    let span = match text(suggestion, "destination") {
        "session" => "until this session ends",
        "localSettings" => "always, in this project",
        "projectSettings" => "always, for everyone in this project",
        "userSettings" => "always, in every project",
        _ => return None,
    };
    match text(suggestion, "type") {
        "addRules" if text(suggestion, "behavior") == "allow" => {
            let rule = |rule: &Value| {
                let tool = text(rule, "toolName");
                maybe(rule, "ruleContent")
                    .map_or_else(|| format!("every {tool}"), |content| format!("{tool} `{content}`"))
            };
            let rules: Vec<String> = list(suggestion, "rules").iter().map(rule).collect();
            (!rules.is_empty()).then(|| format!("Allow {} {span}", rules.join(", ")))
        }
        "addDirectories" => {
            let directories: Vec<&str> = list(suggestion, "directories")
                .iter()
                .filter_map(Value::as_str)
                .map(|path| short_path(path, cwd))
                .collect();
            (!directories.is_empty()).then(|| format!("Allow, with access to {} {span}", directories.join(", ")))
        }
        "setMode" => match text(suggestion, "mode") {
            "acceptEdits" => Some(format!("Allow, and all edits of files {span}")),
            "bypassPermissions" | "dontAsk" if !bypass => None,
            "" => None,
            mode => Some(format!("Allow, and change to the mode {mode} {span}")),
        },
        _ => None,
    }
}

/// Whether an answer refuses.
pub(super) fn refuses(answer: &Answer) -> bool {
    answer.option == "deny"
}

/// The body of the answer to an ask.
pub(super) fn answer(asked: &Asked, answer: &Answer) -> Result<Value, DriveError> {
    if refuses(answer) {
        let message = answer.message.as_deref().filter(|message| !message.trim().is_empty()).unwrap_or(REFUSED);
        return Ok(json!({ "behavior": "deny", "message": message }));
    }
    let mut input = asked.input.clone();
    if asked.kind == ApprovalKind::Question
        && let Some(input) = input.as_object_mut()
    {
        let answers: Map<String, Value> =
            answer.answers.iter().map(|(question, said)| (question.clone(), Value::String(said.clone()))).collect();
        input.insert("answers".to_owned(), Value::Object(answers));
    }
    if matches!((answer.option.as_str(), asked.kind), ("answer", ApprovalKind::Question)) {
        return Ok(json!({ "behavior": "allow", "updatedInput": input }));
    }
    if answer.option == "allow" && asked.kind != ApprovalKind::Question {
        return Ok(json!({ "behavior": "allow", "updatedInput": input }));
    }
    let chosen = asked.suggestions.iter().find(|(id, _)| *id == answer.option).map(|(_, suggestion)| suggestion);
    let suggestion =
        chosen.ok_or_else(|| DriveError::Refused { detail: format!("there is no option `{}`", answer.option) })?;
    Ok(json!({ "behavior": "allow", "updatedInput": input, "updatedPermissions": [suggestion] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(option: &str, message: Option<&str>) -> Answer {
        Answer { option: option.to_owned(), message: message.map(str::to_owned), answers: Vec::new() }
    }

    fn bash() -> Value {
        json!({
            "tool_name": "Bash", "tool_use_id": "t1", "description": "touch it", "blocked_path": "/p/made.txt",
            "input": {"command": "touch made.txt"},
            "permission_suggestions": [
                {"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": "touch *"}], "behavior": "allow",
                 "destination": "localSettings"},
                {"type": "addDirectories", "directories": ["/q"], "destination": "session"},
                {"type": "setMode", "mode": "acceptEdits", "destination": "session"},
                {"type": "setMode", "mode": "bypassPermissions", "destination": "session"},
            ],
        })
    }

    #[test]
    fn a_suggestion_becomes_an_option_that_says_its_scope() {
        let (asked, event) = ask("r1", &bash(), None, "/p", false);
        let AgentEvent::Ask { options, content, kind, item, .. } = event else { panic!() };
        assert_eq!((kind, item.as_deref()), (ApprovalKind::Permission, Some("t1")));
        assert_eq!(
            content.labels,
            [
                "Allow once",
                "Allow Bash `touch *` always, in this project",
                "Allow, with access to /q until this session ends",
                "Allow, and all edits of files until this session ends",
                "Deny",
            ]
        );
        assert_eq!(content.detail, "touch made.txt");
        assert_eq!(content.reason.as_deref(), Some("It touches made.txt"));
        let ids: Vec<&str> = options.iter().map(|option| option.id.as_str()).collect();
        assert_eq!(ids, ["allow", "always_1", "always_2", "always_3", "deny"]);
        let body = answer(&asked, &said("always_2", None)).unwrap();
        assert_eq!(body["updatedPermissions"], json!([bash()["permission_suggestions"][1]]));
        assert_eq!(body["updatedInput"], bash()["input"]);
        assert!(matches!(answer(&asked, &said("always_4", None)), Err(DriveError::Refused { .. })));
    }

    #[test]
    fn a_mode_that_no_longer_asks_is_offered_only_where_the_host_allows_it() {
        let (_, event) = ask("r1", &bash(), None, "/p", true);
        let AgentEvent::Ask { options, .. } = event else { panic!() };
        assert_eq!(options.len(), 6);
    }

    #[test]
    fn a_refusal_carries_the_words() {
        let (asked, _) = ask("r1", &bash(), None, "/p", false);
        assert_eq!(
            answer(&asked, &said("deny", Some("not now"))).unwrap(),
            json!({"behavior": "deny", "message": "not now"})
        );
        assert_eq!(answer(&asked, &said("deny", Some(" "))).unwrap()["message"], REFUSED);
    }

    #[test]
    fn questions_are_answered_by_their_words() {
        let request = json!({"tool_name": "AskUserQuestion", "input": {"questions": [
            {"question": "Which?", "header": "Pick", "multiSelect": true, "options": [{"label": "A", "description": "a"}]}]}});
        let (asked, event) = ask("r1", &request, None, "/p", false);
        let AgentEvent::Ask { kind: ApprovalKind::Question, content, .. } = event else { panic!() };
        assert!(content.questions[0].multiple);
        let given = Answer { option: "answer".into(), message: None, answers: vec![("Which?".into(), "A".into())] };
        assert_eq!(answer(&asked, &given).unwrap()["updatedInput"]["answers"], json!({"Which?": "A"}));
        assert!(answer(&asked, &said("allow", None)).is_err());
    }
}
