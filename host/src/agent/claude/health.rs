//! Which versions Towline is tested with, and how Claude Code says that it is logged in.

use protocol::agent_health::{Login, LoginKind, TestedVersions};
use serde_json::Value;

use crate::agent::words::maybe;

/// The oldest and the newest version whose recordings and browser tests are in this repository.
const TESTED: (&str, &str) = ("2.1.197", "2.1.329");

/// Where a version stands to those that are tested.
pub(super) fn tested(version: Option<&str>) -> TestedVersions {
    TestedVersions::of(version, TESTED.0, TESTED.1)
}

/// The login that the answer to `initialize` tells of; `None` when it tells of none, not even that there is none.
pub(super) fn login(initialized: &Value) -> Option<Login> {
    let account = initialized.get("account")?;
    let said = |key: &str| maybe(account, key).filter(|said| said != "none");
    let cloud = said("apiProvider").filter(|provider| provider != "firstParty");
    let (kind, plan) = match (cloud, said("tokenSource"), said("apiKeySource")) {
        (Some(provider), ..) => (LoginKind::Cloud, Some(provider)),
        // A key goes before a sign-in, as it does in Claude Code itself.
        (None, _, Some(_)) => (LoginKind::ApiKey, None),
        (None, Some(source), None) if source == "ANTHROPIC_AUTH_TOKEN" => (LoginKind::Other, None),
        (None, Some(_), None) => (LoginKind::Subscription, maybe(account, "subscriptionType")),
        (None, None, None) => (LoginKind::None, None),
    };
    Some(Login { kind, plan })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_kind_of_login_is_what_the_program_says() {
        let check = |account: Value, kind: LoginKind, plan: Option<&str>| {
            let expected = Some(Login { kind, plan: plan.map(str::to_owned) });
            assert_eq!(login(&json!({ "account": account.clone() })), expected, "{account}");
        };
        check(json!({"tokenSource": "none", "apiProvider": "firstParty"}), LoginKind::None, None);
        check(json!({"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY"}), LoginKind::ApiKey, None);
        check(json!({"tokenSource": "ANTHROPIC_AUTH_TOKEN"}), LoginKind::Other, None);
        check(json!({"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN"}), LoginKind::Subscription, None);
        let account = json!({"tokenSource": "claude.ai", "email": "ann@example.com", "subscriptionType": "max"});
        check(account, LoginKind::Subscription, Some("max"));
        check(json!({"tokenSource": "none", "apiProvider": "bedrock"}), LoginKind::Cloud, Some("bedrock"));
        assert_eq!(login(&json!({})), None);
    }
}
