//! What a Codex installation offers, from what it says of itself.

use protocol::agent_health::{AgentHealth, Login, LoginKind, TestedVersions};
use protocol::host::{Ability, AgentEntry, AgentState, Choice, Effort};
use serde_json::Value;

use super::turns::LOG_IN;
use crate::agent::words::{effort_name, list, maybe, text};

/// The oldest and the newest version whose recordings and browser tests are in this repository.
const TESTED: (&str, &str) = ("0.150.0", "0.169.0");

/// What people call it.
pub(super) const NAME: &str = "Codex";
/// How to get it.
pub(super) const INSTALL: &str = "Install it with `npm install -g @openai/codex`, then log in with `codex login`.";

/// An entry of which nothing is known but its state.
pub(super) fn entry(id: &str, state: AgentState, hint: Option<String>) -> AgentEntry {
    AgentEntry {
        id: id.to_owned(),
        name: NAME.to_owned(),
        version: None,
        state,
        hint,
        models: Vec::new(),
        modes: Vec::new(),
        efforts: Vec::new(),
        health: AgentHealth::default(),
        abilities: if state == AgentState::Ready {
            vec![Ability::Steer, Ability::Fork, Ability::Defaults]
        } else {
            Vec::new()
        },
        commands: Vec::new(),
    }
}

/// The version, from the answer to `initialize`: `towline/0.169.0 (Debian 12; x86_64) …`.
pub(super) fn version(hello: &Value) -> Option<String> {
    let (_, after) = text(hello, "userAgent").split_once('/')?;
    let version = after.split_whitespace().next()?;
    version.starts_with(|digit: char| digit.is_ascii_digit()).then(|| version.to_owned())
}

/// What is missing of a login, from the answer to `account/read`; `None` when requests to the model will carry a credential.
pub(super) fn missing_login(account: &Value) -> Option<&'static str> {
    let needed = account.get("requiresOpenaiAuth") == Some(&Value::Bool(true));
    let there = account.get("account").is_some_and(|account| !account.is_null());
    (needed && !there).then_some(LOG_IN)
}

/// The login that the answer to `account/read` tells of; `None` where the provider is one of the person's own, which says nothing.
pub(super) fn login(account: &Value) -> Option<Login> {
    let known = account.get("account").unwrap_or(&Value::Null);
    let (kind, plan) = match text(known, "type") {
        "chatgpt" => (LoginKind::Subscription, maybe(known, "planType")),
        "apiKey" => (LoginKind::ApiKey, None),
        "amazonBedrock" => (LoginKind::Cloud, Some("Amazon Bedrock".to_owned())),
        "gcp" => (LoginKind::Cloud, Some("Google Cloud".to_owned())),
        "" if missing_login(account).is_some() => (LoginKind::None, None),
        "" => return None,
        _ => (LoginKind::Other, None),
    };
    Some(Login { kind, plan })
}

/// Where a version stands to those that are tested.
pub(super) fn tested(version: Option<&str>) -> TestedVersions {
    TestedVersions::of(version, TESTED.0, TESTED.1)
}

/// The models of the pages of `model/list`, without those that Codex hides, and the efforts that they take.
pub(super) fn offer(entry: &mut AgentEntry, models: &[Value]) {
    let shown: Vec<(String, &Value)> = models
        .iter()
        .filter(|model| model.get("hidden") != Some(&Value::Bool(true)))
        .map(|model| (maybe(model, "model").unwrap_or_else(|| text(model, "id").to_owned()), model))
        .collect();
    let choice = |(id, model): &(String, &Value)| {
        let name = maybe(model, "displayName").unwrap_or_else(|| id.clone());
        Choice { id: id.clone(), name, description: maybe(model, "description") }
    };
    entry.models = shown.iter().map(choice).collect();
    entry.efforts.clear();
    for (model, described) in &shown {
        for effort in list(described, "supportedReasoningEfforts") {
            let id = text(effort, "reasoningEffort");
            if let Some(known) = entry.efforts.iter_mut().find(|known| known.id == id) {
                known.models.push(model.clone());
            } else if !id.is_empty() {
                let (name, description) = (effort_name(id), maybe(effort, "description"));
                entry.efforts.push(Effort { id: id.to_owned(), name, description, models: vec![model.clone()] });
            }
        }
    }
    for effort in entry.efforts.iter_mut().filter(|effort| effort.models.len() == shown.len()) {
        effort.models.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_login_and_a_version_are_recognised() {
        assert_eq!(missing_login(&json!({"account": null, "requiresOpenaiAuth": true})), Some(LOG_IN));
        assert_eq!(missing_login(&json!({"account": {"type": "apiKey"}, "requiresOpenaiAuth": true})), None);
        assert_eq!(missing_login(&json!({"account": null, "requiresOpenaiAuth": false})), None);
        assert_eq!(missing_login(&json!({})), None);
        let agent = json!({"userAgent": "towline/0.169.0 (Debian 12.0.0; x86_64) dumb (towline; 0.1.0)"});
        assert_eq!(version(&agent).as_deref(), Some("0.169.0"));
        assert_eq!(version(&json!({"userAgent": "something"})), None);
    }

    #[test]
    fn the_kind_of_login_is_what_the_program_says() {
        let kind = |account: Value| login(&account).map(|login| (login.kind, login.plan));
        let plan = json!({"account": {"type": "chatgpt", "email": "ann@example.com", "planType": "pro"}, "requiresOpenaiAuth": true});
        assert_eq!(kind(plan), Some((LoginKind::Subscription, Some("pro".to_owned()))));
        assert_eq!(kind(json!({"account": {"type": "apiKey"}})), Some((LoginKind::ApiKey, None)));
        assert_eq!(kind(json!({"account": null, "requiresOpenaiAuth": true})), Some((LoginKind::None, None)));
        assert_eq!(kind(json!({"account": null, "requiresOpenaiAuth": false})), None);
    }

    #[test]
    fn hidden_models_are_not_offered_and_efforts_name_the_models_that_take_them() {
        let model = |id: &str, hidden: bool, efforts: &[&str]| {
            let efforts: Vec<Value> =
                efforts.iter().map(|effort| json!({"reasoningEffort": effort, "description": "d"})).collect();
            json!({"id": id, "model": id, "displayName": id.to_uppercase(), "hidden": hidden, "supportedReasoningEfforts": efforts})
        };
        let mut entry = entry("codex", AgentState::Ready, None);
        offer(
            &mut entry,
            &[model("a", false, &["low", "xhigh"]), model("b", false, &["low"]), model("c", true, &["max"])],
        );
        let names: Vec<&str> = entry.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["A", "B"]);
        let efforts: Vec<_> = entry.efforts.iter().map(|effort| (effort.name.as_str(), &effort.models)).collect();
        assert_eq!(efforts, [("Low", &vec![]), ("Extra high", &vec!["a".to_owned()])]);
    }
}
