//! Which published agents Towline is tested with, how an agent says that it is logged in, and the ways in which it offers to.

use protocol::agent_health::{Login, LoginKind, TestedVersions};
use serde_json::Value;

use crate::agent::words::{list, maybe, text};

/// The agents that browser tests and recordings of this repository run, by the name that they give themselves: oldest, newest.
const TESTED: &[(&str, &str, &str)] = &[
    ("@agentclientprotocol/claude-agent-acp", "0.100.0", "0.100.0"),
    ("@agentclientprotocol/codex-acp", "2.6.0", "2.6.0"),
    ("OpenCode", "1.18.33", "1.18.33"),
    ("codex-acp", "0.16.0", "0.16.0"),
    ("gemini-cli", "0.61.0", "0.61.0"),
];

/// Where the version of an agent stands, when it is one of those that are known here.
pub(super) fn tested(hello: &Value) -> Option<TestedVersions> {
    let info = hello.get("agentInfo")?;
    let (_, oldest, newest) = TESTED.iter().find(|(name, ..)| *name == text(info, "name"))?;
    Some(TestedVersions::of(info.get("version").and_then(Value::as_str), oldest, newest))
}

/// The login that an agent tells of. Not part of the stable protocol: some agents send it beside (`_auth/status_update`).
pub(super) fn login(params: &Value) -> Option<Login> {
    let status = params.get("authStatus")?;
    let kind = match text(status, "kind") {
        "" => return None,
        "api_key" | "api-key" => LoginKind::ApiKey,
        "subscription" | "oauth" | "account" | "chatgpt" | "claude_ai" => LoginKind::Subscription,
        "bedrock" | "vertex" | "foundry" | "cloud" => LoginKind::Cloud,
        "none" | "unauthenticated" | "logged_out" => LoginKind::None,
        _ => LoginKind::Other,
    };
    // What a person may have typed, such as an address, is not repeated.
    let plan = maybe(status, "label").filter(|label| !label.contains('@'));
    Some(Login { kind, plan })
}

/// The ways to log in that an agent has told of, each in a sentence for a person at the machine.
pub(super) fn ways_to_log_in(hello: &Value) -> Vec<String> {
    list(hello, "authMethods")
        .iter()
        .filter_map(|way| {
            let said = maybe(way, "description").or_else(|| maybe(way, "name"))?;
            let said = said.trim_end_matches('.').to_owned();
            let variables: Vec<String> =
                list(way, "vars").iter().filter_map(|variable| maybe(variable, "name")).collect();
            let args: Vec<&str> = list(way, "args").iter().filter_map(Value::as_str).collect();
            Some(match (text(way, "type"), variables.is_empty()) {
                ("env_var", false) => format!("{said} (give it {} with `--agent-env`)", variables.join(" and ")),
                ("terminal", _) if !args.is_empty() => {
                    format!("{said} (run it in a terminal with `{}`)", args.join(" "))
                }
                _ => said,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use protocol::agent_health::VersionStanding;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_published_agent_is_known_by_its_name() {
        let of = |name: &str, version: &str| {
            tested(&json!({"agentInfo": {"name": name, "version": version}})).map(|tested| tested.standing)
        };
        assert_eq!(of("OpenCode", "1.18.33"), Some(VersionStanding::Tested));
        assert_eq!(of("gemini-cli", "0.9.0"), Some(VersionStanding::Older));
        assert_eq!(of("gemini-cli", "0.62.0-nightly"), Some(VersionStanding::Newer));
        assert_eq!(of("somebody's", "1.0.0"), None);
    }

    #[test]
    fn a_login_that_is_told_of_is_known() {
        let of = |status: Value| login(&json!({ "authStatus": status }));
        let key = of(json!({"kind": "api_key", "label": "Anthropic API key", "detail": "ANTHROPIC_API_KEY"}));
        assert_eq!(key, Some(Login { kind: LoginKind::ApiKey, plan: Some("Anthropic API key".to_owned()) }));
        let mail = of(json!({"kind": "account", "label": "ann@example.com"}));
        assert_eq!(mail, Some(Login { kind: LoginKind::Subscription, plan: None }));
        assert_eq!(of(json!({"kind": "gateway"})).map(|login| login.kind), Some(LoginKind::Other));
        assert_eq!(of(json!({})), None);
    }

    #[test]
    fn each_way_to_log_in_says_what_to_do() {
        let ways = ways_to_log_in(&json!({"authMethods": [
            {"id": "a", "name": "Login with opencode", "description": "Run `opencode auth login` in the terminal"},
            {"id": "b", "name": "Use CODEX_API_KEY", "type": "env_var", "vars": [{"name": "CODEX_API_KEY"}]},
            {"id": "c", "name": "Log in", "type": "terminal", "args": ["--login"]},
            {"id": "d"}]}));
        assert_eq!(
            ways,
            [
                "Run `opencode auth login` in the terminal",
                "Use CODEX_API_KEY (give it CODEX_API_KEY with `--agent-env`)",
                "Log in (run it in a terminal with `--login`)"
            ]
        );
    }
}
