//! What Codex asks before it acts, and what it is answered. A refusal lets the model go on (`decline`); a refusal that stops the turn
//! (`cancel`) is an option of its own.

use protocol::approval::{ApprovalContent, ApprovalKind, ApprovalOption, OptionKind};
use protocol::item::{ItemContent, ToolCall};
use serde_json::{Value, json};

use super::{codec, items, questions};
use crate::agent::words::{list, maybe, text};
use crate::agent::{AgentEvent, Answer, DriveError};

/// Rules for later that are offered; Codex proposes two at most.
const RULES: usize = 4;

/// A request of Codex that is not answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) id: Value,
    pub(super) item: Option<String>,
    /// What to answer, by option.
    pub(super) results: Vec<(String, Results)>,
    /// Options that refuse.
    refusals: Vec<String>,
}

/// How an option is answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Results {
    /// As it stands.
    Fixed(Value),
    /// With the answers to questions: their keys and the ids that Codex has for them.
    Answers(Vec<(String, String)>),
    /// With the fields of a form of an MCP server: their keys, their names and whether they are yes or no.
    Form(Vec<(String, String, bool)>),
}

/// What is to be offered.
#[derive(Debug, Default)]
pub(super) struct Offer {
    options: Vec<ApprovalOption>,
    labels: Vec<String>,
    results: Vec<(String, Results)>,
}

impl Offer {
    pub(super) fn add(&mut self, id: &str, kind: OptionKind, label: &str, results: Results) {
        self.options.push(ApprovalOption { id: id.to_owned(), kind });
        self.labels.push(label.to_owned());
        self.results.push((id.to_owned(), results));
    }

    fn decide(&mut self, id: &str, kind: OptionKind, label: &str, decision: &Value) {
        self.add(id, kind, label, Results::Fixed(json!({ "decision": decision })));
    }

    /// The ask and what is remembered of it.
    pub(super) fn ask(
        self,
        message: &Value,
        kind: ApprovalKind,
        content: ApprovalContent,
        item: Option<String>,
    ) -> (Asked, AgentEvent) {
        let id = message.get("id").cloned().unwrap_or_default();
        let refusals =
            self.options.iter().filter(|option| matches!(option.kind, OptionKind::Deny | OptionKind::DenyAlways));
        let refusals = refusals.map(|option| option.id.clone()).collect();
        let asked = Asked { id: id.clone(), item: item.clone(), results: self.results, refusals };
        let content = ApprovalContent { labels: self.labels, ..content };
        (asked, AgentEvent::Ask { request: id.to_string(), item, kind, options: self.options, content })
    }
}

/// Makes an ask of a request; `None` for one that is not known. `known` is the call that waits.
pub(super) fn ask(message: &Value, known: Option<&ItemContent>, cwd: &str) -> Option<(Asked, AgentEvent)> {
    let params = message.get("params").unwrap_or(&Value::Null);
    let call = match known {
        Some(ItemContent::ToolCall(call)) => call.clone(),
        _ => ToolCall::default(),
    };
    match text(message, "method") {
        "item/commandExecution/requestApproval" => Some(command(message, params, cwd)),
        "item/fileChange/requestApproval" => Some(file_change(message, params, &call, cwd)),
        "item/permissions/requestApproval" => Some(permissions(message, params, cwd)),
        "item/tool/requestUserInput" => Some(questions::user_input(message, params, cwd)),
        "mcpServer/elicitation/request" => Some(questions::elicitation(message, params, cwd)),
        _ => None,
    }
}

fn command(message: &Value, params: &Value, cwd: &str) -> (Asked, AgentEvent) {
    let mut offer = Offer::default();
    let offered = list(params, "availableDecisions");
    // Codex takes these two for every command, also where its own menu does not show them; not for a question about the network.
    let network = params.get("networkApprovalContext").filter(|network| network.is_object());
    let has = |decision: &str| offered.iter().any(|it| it == decision) || (network.is_none() || offered.is_empty());
    offer.decide("accept", OptionKind::AllowOnce, "Allow once", &json!("accept"));
    if has("acceptForSession") {
        offer.decide(
            "accept_session",
            OptionKind::AllowAlways,
            "Allow this in this session",
            &json!("acceptForSession"),
        );
    }
    for rule in offered.iter().filter(|decision| decision.is_object()).take(RULES) {
        let id = format!("rule_{}", offer.options.len());
        if let Some((kind, label)) = rule_words(rule) {
            offer.decide(&id, kind, &label, rule);
        }
    }
    if has("decline") {
        offer.decide("decline", OptionKind::Deny, "Deny", &json!("decline"));
    }
    offer.decide("cancel", OptionKind::Deny, "Deny and stop", &json!("cancel"));
    let host = network.map(|network| text(network, "host").to_owned());
    let line = items::inner(text(params, "command"));
    let content = ApprovalContent {
        title: match (text(params, "kind"), &host) {
            (_, Some(host)) => format!("Reach {host}"),
            ("writeStdin", _) => "Type into a running command".to_owned(),
            _ => "Run a command".to_owned(),
        },
        detail: if line.is_empty() { host.unwrap_or_default() } else { line },
        place: maybe(params, "cwd").unwrap_or_else(|| cwd.to_owned()),
        reason: maybe(params, "reason"),
        ..ApprovalContent::default()
    };
    // To reach a host, or to type into what runs, is more than the command: no rule about the command answers it.
    let item = maybe(params, "itemId").filter(|_| network.is_none() && text(params, "kind") != "writeStdin");
    offer.ask(message, ApprovalKind::Permission, content, item)
}

/// What a rule for later means, in words.
fn rule_words(rule: &Value) -> Option<(OptionKind, String)> {
    if let Some(prefix) = rule.pointer("/acceptWithExecpolicyAmendment/execpolicy_amendment").and_then(Value::as_array)
    {
        let words: Vec<&str> = prefix.iter().filter_map(Value::as_str).collect();
        return Some((OptionKind::AllowAlways, format!("Always allow commands that begin with `{}`", words.join(" "))));
    }
    let network = rule.pointer("/applyNetworkPolicyAmendment/network_policy_amendment")?;
    let host = text(network, "host");
    Some(match text(network, "action") {
        "allow" => (OptionKind::AllowAlways, format!("Always allow {host}")),
        _ => (OptionKind::DenyAlways, format!("Never allow {host}")),
    })
}

fn file_change(message: &Value, params: &Value, call: &ToolCall, cwd: &str) -> (Asked, AgentEvent) {
    let mut offer = Offer::default();
    offer.decide("accept", OptionKind::AllowOnce, "Allow once", &json!("accept"));
    offer.decide(
        "accept_session",
        OptionKind::AllowAlways,
        "Allow edits of these files in this session",
        &json!("acceptForSession"),
    );
    offer.decide("decline", OptionKind::Deny, "Deny", &json!("decline"));
    offer.decide("cancel", OptionKind::Deny, "Deny and stop", &json!("cancel"));
    let root = maybe(params, "grantRoot").map(|root| format!("It wants to write below {root}."));
    let files: Vec<&str> = call.locations.iter().map(|at| at.path.as_str()).collect();
    let content = ApprovalContent {
        title: if call.title.is_empty() { "Edit files".to_owned() } else { call.title.clone() },
        detail: files.join("\n"),
        place: cwd.to_owned(),
        reason: maybe(params, "reason").or(root),
        ..ApprovalContent::default()
    };
    offer.ask(message, ApprovalKind::Permission, content, maybe(params, "itemId"))
}

fn permissions(message: &Value, params: &Value, cwd: &str) -> (Asked, AgentEvent) {
    let wanted = params.get("permissions").unwrap_or(&Value::Null);
    // What was asked for, without the empty parts, which the answer may not name.
    let granted: Value = wanted.as_object().map_or_else(
        || json!({}),
        |all| all.iter().filter(|(_, it)| !it.is_null()).map(|(key, it)| (key.clone(), it.clone())).collect(),
    );
    let grant = |scope: &str| Results::Fixed(json!({ "permissions": granted, "scope": scope }));
    let mut offer = Offer::default();
    offer.add("accept", OptionKind::AllowOnce, "Allow for this turn", grant("turn"));
    offer.add("accept_session", OptionKind::AllowAlways, "Allow in this session", grant("session"));
    let nothing = json!({ "permissions": {}, "scope": "turn" });
    offer.add("decline", OptionKind::Deny, "Deny", Results::Fixed(nothing));
    let content = ApprovalContent {
        title: "More permissions".to_owned(),
        detail: serde_json::to_string_pretty(&granted).unwrap_or_default(),
        place: maybe(params, "cwd").unwrap_or_else(|| cwd.to_owned()),
        reason: maybe(params, "reason"),
        ..ApprovalContent::default()
    };
    offer.ask(message, ApprovalKind::Permission, content, maybe(params, "itemId"))
}

impl Asked {
    /// The line that answers, and whether it refuses.
    pub(super) fn answer(&self, answer: &Answer) -> Result<(String, bool), DriveError> {
        let chosen = self.results.iter().find(|(id, _)| *id == answer.option);
        let (option, results) =
            chosen.ok_or_else(|| DriveError::Refused { detail: format!("there is no option `{}`", answer.option) })?;
        let result = match results {
            Results::Fixed(result) => result.clone(),
            Results::Answers(ids) => questions::answers(ids, &answer.answers),
            Results::Form(fields) => questions::form(fields, &answer.answers),
        };
        Ok((codec::answer(&self.id, &result), self.refusals.contains(option)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(message: &Value) -> (Asked, Vec<(String, OptionKind)>, ApprovalContent) {
        let (asked, event) = ask(message, None, "/p").unwrap();
        let AgentEvent::Ask { options, content, .. } = event else { panic!() };
        assert_eq!(options.len(), content.labels.len());
        (asked, options.into_iter().map(|option| (option.id, option.kind)).collect(), content)
    }

    fn decision(asked: &Asked, option: &str) -> Value {
        let answer = Answer { option: option.to_owned(), message: None, answers: Vec::new() };
        let (line, _) = asked.answer(&answer).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["result"].clone()
    }

    #[test]
    fn a_command_can_be_declined_or_cancelled_and_allowed_for_longer() {
        let rule = json!({"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["touch", "a1"]}});
        let message = json!({"id": 3, "method": "item/commandExecution/requestApproval", "params": {"kind": "command", "itemId": "c",
            "command": "/bin/bash -lc 'touch a1'", "cwd": "/p", "availableDecisions": ["accept", rule, "cancel"]}});
        let (asked, options, content) = asked(&message);
        let ids: Vec<&str> = options.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["accept", "accept_session", "rule_2", "decline", "cancel"]);
        assert_eq!(
            (content.detail.as_str(), content.labels[2].as_str()),
            ("touch a1", "Always allow commands that begin with `touch a1`")
        );
        assert_eq!(decision(&asked, "decline"), json!({"decision": "decline"}));
        assert_eq!(decision(&asked, "cancel"), json!({"decision": "cancel"}));
        assert_eq!(decision(&asked, "rule_2"), json!({ "decision": rule }));
        let wrong = Answer { option: "yes".to_owned(), message: None, answers: Vec::new() };
        assert!(asked.answer(&wrong).is_err());
    }

    #[test]
    fn a_question_about_the_network_offers_what_codex_offers() {
        let rule = |action: &str| json!({"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": "a.example", "action": action}}});
        let message = json!({"id": 4, "method": "item/commandExecution/requestApproval", "params": {"itemId": "c",
            "networkApprovalContext": {"host": "a.example", "protocol": "https"}, "availableDecisions": ["accept", rule("allow"), rule("deny"), "cancel"]}});
        let (_, options, content) = asked(&message);
        let kinds: Vec<OptionKind> = options.iter().map(|(_, kind)| *kind).collect();
        assert_eq!(kinds, [OptionKind::AllowOnce, OptionKind::AllowAlways, OptionKind::DenyAlways, OptionKind::Deny]);
        assert_eq!((content.title.as_str(), content.detail.as_str()), ("Reach a.example", "a.example"));
    }

    #[test]
    fn permissions_are_granted_as_asked_or_not_at_all() {
        let message = json!({"id": 5, "method": "item/permissions/requestApproval", "params": {"itemId": "c", "cwd": "/p", "reason": "tests",
            "permissions": {"network": {"enabled": true}, "fileSystem": null}}});
        let (asked, _, content) = asked(&message);
        assert_eq!(decision(&asked, "accept"), json!({"permissions": {"network": {"enabled": true}}, "scope": "turn"}));
        assert_eq!(decision(&asked, "accept_session")["scope"], "session");
        assert_eq!(decision(&asked, "decline"), json!({"permissions": {}, "scope": "turn"}));
        assert!(content.detail.contains("network") && !content.detail.contains("fileSystem"));
        assert!(ask(&json!({"id": 1, "method": "item/tool/call", "params": {}}), None, "/p").is_none());
    }
}
