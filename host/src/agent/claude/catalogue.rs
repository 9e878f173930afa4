//! What a Claude Code installation offers, from what it says of itself.

use protocol::agent_health::AgentHealth;
use protocol::host::{Ability, AgentEntry, AgentState, Choice, Effort, SlashCommand};
use serde_json::Value;

use super::health;
use crate::agent::words::{effort_name, list, maybe, slash_command, text};

/// What people call it. Plain text, no part of our own product's name (terms of its vendor).
pub(super) const NAME: &str = "Claude Code";
/// How to get it.
pub(super) const INSTALL: &str =
    "Install it with `npm install -g @anthropic-ai/claude-code`, then log in with `claude`.";
/// How to log in.
pub(super) const LOG_IN: &str = "Log in on this machine: run `claude` and follow it, or `claude auth login`.";

/// Modes in which Claude Code acts without asking; they may be chosen from afar only where the host's configuration allows it.
pub(super) const BYPASS: &[&str] = &["bypassPermissions"];

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
        abilities: Vec::new(),
        commands: Vec::new(),
    }
}

/// Fills an entry with what the answer to `initialize` says.
pub(super) fn fill(entry: &mut AgentEntry, initialized: &Value) {
    if let Some(version) = maybe(initialized, "claude_code_version") {
        entry.version = Some(version);
    }
    entry.health.tested = Some(health::tested(entry.version.as_deref()));
    entry.health.login = health::login(initialized);
    // Its own default is what a session has that names no model: one entry for it is enough.
    entry.models = list(initialized, "models").iter().map(model).filter(|model| model.id != "default").collect();
    // Versions that name no capabilities (2.1.197) do not tell what becomes of a prompt in mid-turn.
    let steers = initialized.get("capabilities").is_some().then_some(Ability::Steer);
    entry.abilities = steers.into_iter().chain([Ability::Fork, Ability::Defaults]).collect();
    entry.commands = list(initialized, "commands").iter().filter_map(command).collect();
    entry.efforts = efforts(list(initialized, "models"));
    if is_logged_in(initialized) {
        entry.state = AgentState::Ready;
        entry.hint = None;
    } else {
        entry.state = AgentState::LoggedOut;
        entry.hint = Some(LOG_IN.to_owned());
    }
}

fn model(model: &Value) -> Choice {
    let id = text(model, "value");
    let name = maybe(model, "displayName").unwrap_or_else(|| id.to_owned());
    Choice { id: id.to_owned(), name, description: maybe(model, "description") }
}

/// A slash command or a skill. What is there for the CLI itself, or not there any more, is left out.
fn command(command: &Value) -> Option<SlashCommand> {
    let description = text(command, "description").trim();
    let found = slash_command(text(command, "name"), description, maybe(command, "argumentHint"));
    found.filter(|_| !description.starts_with("(removed)"))
}

/// The efforts of all models, in the order in which the CLI names them, each with the models that take it. Versions before 2.1.329
/// may name none.
fn efforts(models: &[Value]) -> Vec<Effort> {
    let of = |model: &Value| -> Vec<String> {
        let levels = list(model, "supportedEffortLevels").iter().filter_map(Value::as_str);
        levels.filter(|level| !level.is_empty()).map(str::to_owned).collect()
    };
    let known: Vec<(&str, Vec<String>)> =
        models.iter().map(|model| (text(model, "value"), of(model))).filter(|(model, _)| *model != "default").collect();
    let mut ids: Vec<String> = Vec::new();
    for level in models.iter().flat_map(of) {
        if !ids.contains(&level) {
            ids.push(level);
        }
    }
    let effort = |id: String| {
        let takes: Vec<String> =
            known.iter().filter(|(_, levels)| levels.contains(&id)).map(|(model, _)| (*model).to_owned()).collect();
        let models = if takes.len() == known.len() { Vec::new() } else { takes };
        Effort { name: effort_name(&id), id, description: None, models }
    };
    ids.into_iter().map(effort).collect()
}

/// Whether requests to the model will carry a credential. Without an account in the answer nothing is claimed.
pub(super) fn is_logged_in(initialized: &Value) -> bool {
    let Some(account) = initialized.get("account") else { return true };
    let none = |key: &str| matches!(text(account, key), "" | "none");
    // With Bedrock, Vertex and the like the cloud's own credential is used.
    let first_party = matches!(text(account, "apiProvider"), "" | "firstParty");
    !(first_party && none("tokenSource") && none("apiKeySource"))
}

/// The permission modes that `claude --help` offers.
pub(super) fn modes(help: &str, bypass: bool) -> Vec<Choice> {
    let Some((_, after)) = help.split_once("--permission-mode <mode>") else { return Vec::new() };
    let Some((_, choices)) = after.split_once("(choices:") else { return Vec::new() };
    let Some((choices, _)) = choices.split_once(')') else { return Vec::new() };
    let mut modes: Vec<Choice> = choices
        .split(',')
        .map(|choice| choice.trim().trim_matches('"'))
        .filter(|mode| !mode.is_empty() && (bypass || !BYPASS.contains(mode)))
        .map(mode)
        .collect();
    modes.sort_by_key(|mode| mode.id != "default");
    modes
}

fn mode(mode: &str) -> Choice {
    // The help says `manual` where every message says `default`.
    let (id, name, description) = match mode {
        "default" | "manual" => ("default", "Ask", "Asks before it changes anything"),
        "acceptEdits" => (mode, "Accept edits", "Edits files without asking"),
        "plan" => (mode, "Plan", "Plans without changing anything"),
        "auto" => (mode, "Auto", "Decides by itself what needs asking"),
        "dontAsk" => (mode, "Don't ask", "Refuses whatever it would have to ask for"),
        "bypassPermissions" => (mode, "Bypass permissions", "Does everything without asking"),
        other => (other, other, ""),
    };
    let description = (!description.is_empty()).then(|| description.to_owned());
    Choice { id: id.to_owned(), name: name.to_owned(), description }
}

#[cfg(test)]
mod tests {
    use protocol::limits::MAX_SLASH_CHARS;
    use serde_json::json;

    use super::*;

    const HELP: &str = r#"
  --permission-mode <mode>              Permission mode to use for the session
                                        (choices: "acceptEdits", "auto",
                                        "bypassPermissions", "manual",
                                        "dontAsk", "plan")
  --permission-prompts <target>         Who answers (choices: "host", "none")
"#;

    #[test]
    fn modes_are_those_of_the_help_and_asking_is_first() {
        let ids = |bypass| modes(HELP, bypass).into_iter().map(|mode| mode.id).collect::<Vec<_>>();
        assert_eq!(ids(false), ["default", "acceptEdits", "auto", "dontAsk", "plan"]);
        assert_eq!(ids(true).len(), 6);
        assert_eq!(modes("no such option", true), []);
    }

    #[test]
    fn slash_commands_are_those_of_the_cli_in_a_line_each() {
        let long = "x".repeat(1000);
        let found = |value: Value| command(&value);
        let compact = found(json!({"name": "compact", "description": "Free\nup", "argumentHint": "<what>"})).unwrap();
        assert_eq!((compact.description.as_str(), compact.hint.as_deref()), ("Free", Some("<what>")));
        let skill = found(json!({"name": "dataviz", "description": long, "argumentHint": ""})).unwrap();
        assert_eq!((skill.description.chars().count(), skill.hint), (MAX_SLASH_CHARS + 1, None));
        assert_eq!(found(json!({"name": "__remote-workflow", "description": "Run"})), None);
        assert_eq!(found(json!({"name": "agents", "description": "(removed) Ask Claude"})), None);
        assert_eq!(found(json!({"description": "nothing"})), None);
    }

    #[test]
    fn efforts_name_the_models_that_take_them() {
        let model = |id: &str, levels: &[&str]| json!({"value": id, "supportedEffortLevels": levels});
        let all = [model("default", &["low", "xhigh"]), model("big", &["low", "xhigh"]), model("small", &["low"])];
        let found = efforts(&all);
        let shown: Vec<_> =
            found.iter().map(|effort| (effort.id.as_str(), effort.name.as_str(), &effort.models)).collect();
        assert_eq!(shown, [("low", "Low", &vec![]), ("xhigh", "Extra high", &vec!["big".to_owned()])]);
        assert_eq!(efforts(&[json!({"value": "old"})]), []);
    }

    #[test]
    fn a_login_is_recognised() {
        let check = |account: Value, expected: bool| {
            assert_eq!(is_logged_in(&json!({ "account": account.clone() })), expected, "{account}");
        };
        check(json!({"tokenSource": "none", "apiProvider": "firstParty"}), false);
        check(json!({"tokenSource": "none", "apiKeySource": "none"}), false);
        check(json!({"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY"}), true);
        check(json!({"tokenSource": "claude.ai", "apiProvider": "firstParty"}), true);
        check(json!({"tokenSource": "none", "apiProvider": "bedrock"}), true);
        assert!(is_logged_in(&json!({})));
    }
}
