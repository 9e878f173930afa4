//! `rules`: the standing rules, and taking one back.

use protocol::id::{ProjectId, RuleId, SessionId};
use protocol::rule::{Rule, RuleScope};
use protocol::time::{Clock as _, UnixMs};
use serde::Serialize;

use super::lists::time;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::node::{Known, Node};
use crate::output::{Output, printable};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleRow<'a> {
    rule: RuleId,
    words: &'a str,
    scope: &'a RuleScope,
    project: ProjectId,
    session: Option<SessionId>,
    created_at_ms: UnixMs,
    expires_at_ms: Option<UnixMs>,
    uses: u64,
    used_at_ms: Option<UnixMs>,
}

/// Lists the standing rules, the oldest first; those that are over are not shown.
pub(crate) async fn rules(node: &Node, out: Output) -> Result<(), CommandError> {
    let known = node.known().await?;
    let now = SystemClock.now();
    let mut rows = known.rules.iter().filter(|(_, rule)| rule.expires_at_ms.is_none_or(|end| end > now)).peekable();
    if rows.peek().is_none() && !out.json {
        return out.line("No standing rule. One is made by the second tap of an answer: \"always …\".");
    }
    for (id, rule) in rows {
        let row = RuleRow {
            rule: *id,
            words: &rule.content.words,
            scope: &rule.content.scope,
            project: rule.project,
            session: rule.session,
            created_at_ms: rule.created_at_ms,
            expires_at_ms: rule.expires_at_ms,
            uses: rule.uses,
            used_at_ms: rule.used_at_ms,
        };
        out.either(&row, || printable(&line(*id, rule, &known)))?;
    }
    Ok(())
}

fn line(id: RuleId, rule: &Rule, known: &Known) -> String {
    let session = rule.session.and_then(|session| known.sessions.get(&session));
    let within = session.map(|session| format!("  in \"{}\"", session.content.title)).unwrap_or_default();
    let end = rule.expires_at_ms.map(|end| format!("  ends {}", time(end))).unwrap_or_default();
    let used = match rule.used_at_ms {
        Some(at) => format!("used {} times, last {}", rule.uses, time(at)),
        None => "never used".to_owned(),
    };
    format!("{id}  {}  {}{within}{end}  {used}", time(rule.created_at_ms), rule.content.words)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    rule: RuleId,
}

/// Takes a standing rule back: from now on a person is asked again.
pub(crate) async fn revoke_rule(node: &Node, rule: RuleId, out: Output) -> Result<(), CommandError> {
    node.api.revoke_rule(rule).await?;
    out.either(&Revoked { rule }, || format!("revoked: {rule}"))
}
