//! `audit`: who did what from where.

use std::collections::BTreeMap;

use protocol::id::DeviceId;

use super::lists::time;
use crate::error::CommandError;
use crate::node::Node;
use crate::output::{Output, Style, printable};
use crate::people::People;

/// Most entries that are asked for at once.
const PAGE: usize = 200;

/// Lists the newest entries of the audit trail.
pub(crate) async fn audit(node: &Node, limit: u32, out: Output) -> Result<(), CommandError> {
    let names: BTreeMap<DeviceId, String> = node
        .ask(node.api.devices())
        .await?
        .devices
        .into_iter()
        .map(|row| (row.device, row.about.content.name))
        .collect();
    let me = node.me().await?.account;
    // Asked for only where others did something.
    let mut known = None;
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut before = None;
    while left > 0 {
        let page = out.waiting("Reading the audit trail", node.api.audit(before, left.min(PAGE))).await?;
        let others = page.entries.iter().any(|entry| entry.account.is_some_and(|account| account != me));
        if others && known.is_none() && !out.json {
            known = Some(node.known().await?);
        }
        let people = known.as_ref().map(|known| People::seen_by(known, me));
        for entry in page.entries.iter().take(left) {
            if out.json {
                out.json(entry)?;
                continue;
            }
            let somebody = people.as_ref().zip(entry.account).and_then(|(people, account)| people.called(account));
            let who = match (somebody, entry.device) {
                (Some(name), _) => name.to_owned(),
                (None, Some(device)) => names.get(&device).cloned().unwrap_or_else(|| device.to_string()),
                (None, None) => "nobody known".to_owned(),
            };
            let from = entry.source.as_deref().unwrap_or_default();
            let target = entry.target.as_deref().unwrap_or_default();
            let because = entry.content.as_ref().and_then(|content| content.because.as_deref());
            let because = because.map(|because| format!("  {because}")).unwrap_or_default();
            let shown = entry.content.as_ref().and_then(|content| content.shown.as_deref());
            let shown = shown.and_then(|shown| shown.get(..12)).map(|shown| format!("  #{shown}")).unwrap_or_default();
            let what =
                format!("{}  {who:<20} {from:<16} {:<24} {target}{shown}{because}", time(entry.at_ms), entry.action);
            let style = if entry.outcome == "ok" { Style::Faint } else { Style::Bad };
            let outcome = out.paint(style, &printable(&entry.outcome));
            out.line(format!("{}  {outcome}", printable(what.trim_end())))?;
        }
        left = left.saturating_sub(page.entries.len().max(1));
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    Ok(())
}
