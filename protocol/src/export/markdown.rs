//! A session as Markdown.

use std::collections::BTreeMap;

use super::Head;
use super::escape::{closed, count, fenced, inline, quoted, time};
use crate::approval::{Approval, ApprovalState};
use crate::fold::Transcript;
use crate::id::{ItemId, TurnId};
use crate::item::{Diff, Item, ItemContent, ItemStatus, NoticeLevel, PlanEntry, PlanStatus, Role, ToolCall};
use crate::turn::{Origin, Turn, TurnErrorCode, TurnState, Usage};

/// Deepest that sub-agents are shown inside each other.
const DEEPEST: usize = 8;

/// One block of the document.
enum Block<'a> {
    Begin(&'a Turn),
    Item(ItemId, &'a Item),
    Approval(&'a Approval),
    End(&'a Turn),
}

/// The session as Markdown: its head, then everything in its transcript by place.
///
/// Text of people and agents is Markdown already and stands as it is; a block of code that it leaves open is closed. Everything else
/// that they wrote is escaped or fenced.
pub fn markdown(head: &Head, transcript: &Transcript) -> String {
    let turns: BTreeMap<TurnId, &Turn> = transcript.turns().into_iter().collect();
    let items: BTreeMap<ItemId, &Item> = transcript.items().into_iter().collect();
    let mut parts = vec![above(head)];
    let mut speaker = String::new();
    for block in blocks(transcript) {
        match block {
            Block::Begin(turn) => parts.extend(begin(turn)),
            Block::Item(id, item) => {
                let agent = turns.get(&item.turn).map_or(head.agent.as_str(), |turn| turn.agent.as_str());
                let Some(text) = said(item) else { continue };
                let now = match item.role {
                    Role::User => "You".to_owned(),
                    Role::Agent => inline(agent),
                    Role::System => "Towline".to_owned(),
                };
                if now != speaker {
                    parts.push(format!("## {now} · {}", time(item.created_at_ms)));
                    speaker = now;
                }
                let depth = depth(id, &items);
                parts.push(quoted(&text, depth));
                parts.extend(left_out("of this", item.left_out_bytes).map(|words| quoted(&words, depth)));
            }
            Block::Approval(approval) => parts.push(asked(approval)),
            Block::End(turn) => {
                parts.push(end(turn));
                speaker.clear();
            }
        }
    }
    let mut text = parts.join("\n\n");
    text.push('\n');
    text
}

/// Everything by place; a turn ends behind the last thing of it.
fn blocks(transcript: &Transcript) -> Vec<Block<'_>> {
    let mut last: BTreeMap<TurnId, u64> = BTreeMap::new();
    let mut blocks = Vec::new();
    for (id, item) in transcript.items() {
        let end = last.entry(item.turn).or_default();
        *end = item.ord.max(*end);
        blocks.push((item.ord, 1, id.to_string(), Block::Item(id, item)));
    }
    for (id, approval) in transcript.approvals() {
        let end = last.entry(approval.turn).or_default();
        *end = approval.ord.max(*end);
        blocks.push((approval.ord, 2, id.to_string(), Block::Approval(approval)));
    }
    for (id, turn) in transcript.turns() {
        let end = last.get(&id).copied().unwrap_or_default().max(turn.ord);
        blocks.push((turn.ord, 0, id.to_string(), Block::Begin(turn)));
        blocks.push((end, 3, id.to_string(), Block::End(turn)));
    }
    blocks.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    blocks.into_iter().map(|(_, _, _, block)| block).collect()
}

fn above(head: &Head) -> String {
    let title = inline(&head.title);
    let mut lines = vec![format!("# {}", if title.is_empty() { "Untitled session" } else { &title }), String::new()];
    if let Some(project) = &head.project {
        let path = head.path.as_deref().map(|path| format!(" ({})", inline(path))).unwrap_or_default();
        lines.push(format!("- Project: {}{path}", inline(project)));
    }
    if let Some(host) = &head.host {
        lines.push(format!("- Host: {}", inline(host)));
    }
    lines.push(format!("- Agent: {}", inline(&head.agent)));
    lines.push(format!("- Session: {}", head.session));
    lines.push(format!("- Began: {}", time(head.created_at_ms)));
    lines.push(format!("- Exported: {}", time(head.exported_at_ms)));
    lines.join("\n")
}

fn begin(turn: &Turn) -> Option<String> {
    match turn.origin {
        Origin::Prompt { .. } => None,
        Origin::Agent => Some("*The agent began this turn by itself.*".to_owned()),
        Origin::Resume => Some("*The agent went on with a turn that had been cut off.*".to_owned()),
    }
}

fn end(turn: &Turn) -> String {
    let state = match turn.state {
        TurnState::Completed => "Turn completed",
        TurnState::Failed => "Turn failed",
        TurnState::Interrupted => "Turn interrupted",
        TurnState::Queued => "Turn queued",
        TurnState::Running => "Turn still running",
        TurnState::AwaitingApproval => "Turn waiting for a person",
    };
    let mut facts = vec![state.to_owned()];
    if let Some(error) = &turn.error {
        facts[0] = format!("{state}: {}", reason(error.code));
    }
    facts.extend(turn.model.as_deref().map(inline));
    if let (Some(from), Some(to)) = (turn.started_at_ms, turn.ended_at_ms) {
        facts.push(format!("{} s", count(to.since(from) / 1000)));
    }
    if let Some(usage) = &turn.usage {
        facts.push(tokens(usage));
    }
    let detail = turn.content.detail.as_deref().filter(|text| !text.trim().is_empty());
    let detail = detail.map(|text| format!("\n\n{}", fenced("", text))).unwrap_or_default();
    format!("*{}*{detail}", facts.join(" · "))
}

fn tokens(usage: &Usage) -> String {
    let mut parts =
        vec![format!("{} tokens in", count(usage.input_tokens)), format!("{} out", count(usage.output_tokens))];
    if usage.cached_tokens > 0 {
        parts.push(format!("{} cached", count(usage.cached_tokens)));
    }
    if let Some(cost) = usage.cost_micro_usd {
        // Four digits behind the point, rounded down.
        parts.push(format!("${}.{:04}", count(cost / 1_000_000), cost % 1_000_000 / 100));
    }
    parts.join(", ")
}

const fn reason(code: TurnErrorCode) -> &'static str {
    match code {
        TurnErrorCode::AgentDied => "the agent ended in the middle",
        TurnErrorCode::AgentError => "the agent said that it failed",
        TurnErrorCode::AgentUnavailable => "the agent could not be started",
        TurnErrorCode::Cancelled => "a person stopped it",
        TurnErrorCode::CredentialsExpired => "the agent is not logged in",
        TurnErrorCode::HostRestarted => "Towline on the host was stopped",
        TurnErrorCode::ModelUnavailable => "the model was not to be had",
        TurnErrorCode::Overloaded => "the vendor's service had too much to do",
        TurnErrorCode::RateLimited => "the vendor's limit was reached",
        TurnErrorCode::Refused => "the model declined to answer",
        TurnErrorCode::Silent => "the agent said nothing for too long",
        TurnErrorCode::SessionNotSaved => "the agent's own session was gone",
        TurnErrorCode::Unknown => "for a reason unknown to this version",
    }
}

/// How much is not there, if anything is.
fn left_out(of: &str, bytes: u64) -> Option<String> {
    (bytes > 0).then(|| format!("*{} bytes {of} were left out on the host.*", count(bytes)))
}

/// How many sub-agents an item is inside of.
fn depth(id: ItemId, items: &BTreeMap<ItemId, &Item>) -> usize {
    let mut depth = 0;
    let mut parent = items.get(&id).and_then(|item| item.parent);
    while let Some(up) = parent.filter(|_| depth < DEEPEST) {
        depth += 1;
        parent = items.get(&up).and_then(|item| item.parent);
    }
    depth
}

/// What an item says; `None` for one that says nothing.
fn said(item: &Item) -> Option<String> {
    let state = match item.status {
        ItemStatus::Running => "*Not finished when this was exported.*",
        ItemStatus::Interrupted => "*Interrupted.*",
        ItemStatus::Failed | ItemStatus::Denied | ItemStatus::Done | ItemStatus::Unknown => "",
    };
    let with = |text: String| if state.is_empty() { text } else { format!("{text}\n\n{state}") };
    match &item.content {
        ItemContent::Text { text } if text.trim().is_empty() => None,
        ItemContent::Text { text } => Some(with(closed(text))),
        ItemContent::Reasoning { text } if text.trim().is_empty() => None,
        ItemContent::Reasoning { text } => {
            Some(format!("<details>\n<summary>Reasoning</summary>\n\n{}\n\n</details>", with(closed(text))))
        }
        ItemContent::ToolCall(call) => Some(tool(call, item.status)),
        ItemContent::Plan { entries } => Some(plan(entries)),
        ItemContent::Notice { level, text, .. } => {
            let word = match level {
                NoticeLevel::Info => "Note",
                NoticeLevel::Warning => "Warning",
                NoticeLevel::Error => "Error",
            };
            Some(format!("**{word}:** {}", inline(text)))
        }
        ItemContent::Unknown => Some("*Something that this version of Towline does not know.*".to_owned()),
    }
}

fn tool(call: &ToolCall, status: ItemStatus) -> String {
    let title = [call.title.as_str(), call.name.as_str()].into_iter().map(inline).find(|text| !text.is_empty());
    let state = match status {
        ItemStatus::Running => " — not finished when this was exported",
        ItemStatus::Done => "",
        ItemStatus::Failed => " — failed",
        ItemStatus::Denied => " — denied",
        ItemStatus::Interrupted => " — interrupted",
        ItemStatus::Unknown => " — state unknown",
    };
    let code = call.exit_code.filter(|code| *code != 0).map(|code| format!(" (exit code {code})"));
    let mut parts =
        vec![format!("**{}**{state}{}", title.unwrap_or_else(|| "Tool".to_owned()), code.unwrap_or_default())];
    if !call.locations.is_empty() {
        let places = call.locations.iter().map(|place| {
            let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("- {}{line}", inline(&place.path))
        });
        parts.push(places.collect::<Vec<_>>().join("\n"));
    }
    parts.extend(call.diffs.iter().map(change));
    let input = call.input.trim();
    // The edits say what the input says.
    if call.diffs.is_empty() && !matches!(input, "" | "{}") {
        parts.push(fenced("json", &call.input));
    }
    if !call.output.trim().is_empty() {
        parts.push(fenced("text", &call.output));
    }
    if call.output_omitted_bytes > 0 {
        parts.push(format!("*{} bytes of output were left out on the host.*", count(call.output_omitted_bytes)));
    }
    parts.join("\n\n")
}

fn change(diff: &Diff) -> String {
    let side = |mark: char, text: &str| {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let lines =
            (!text.is_empty()).then(|| text.split('\n').map(|line| format!("{mark}{line}")).collect::<Vec<_>>());
        lines.unwrap_or_default()
    };
    let old = diff.old_text.as_deref().map(|text| side('-', text)).unwrap_or_default();
    let lines: Vec<String> = old.into_iter().chain(side('+', &diff.new_text)).collect();
    format!("{}\n\n{}", inline(&diff.path), fenced("diff", &lines.join("\n")))
}

fn plan(entries: &[PlanEntry]) -> String {
    let lines = entries.iter().map(|entry| {
        let text = inline(&entry.text);
        match entry.status {
            PlanStatus::Pending => format!("- [ ] {text}"),
            PlanStatus::InProgress => format!("- [ ] {text} *(under way)*"),
            PlanStatus::Completed => format!("- [x] {text}"),
        }
    });
    std::iter::once("**Plan**\n".to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

fn asked(approval: &Approval) -> String {
    let content = &approval.content;
    let mut parts = vec![format!("**Asked:** {}", inline(&content.title))];
    if !content.detail.trim().is_empty() {
        parts.push(fenced("", &content.detail));
    }
    parts.extend(left_out("of what was asked", content.left_out_bytes));
    for question in &content.questions {
        parts.push(format!("- {}", inline(&question.question)));
    }
    let answer = match (approval.state, &approval.decision) {
        (_, Some(decision)) => {
            let at = approval.options.iter().position(|option| option.id == decision.option);
            let label = at.and_then(|at| content.labels.get(at)).unwrap_or(&decision.option);
            format!("**Answered:** {} · {}", inline(label), time(decision.at_ms))
        }
        (ApprovalState::Pending, None) => "*Not answered yet.*".to_owned(),
        (ApprovalState::Expired, None) => "*Nobody answered in time.*".to_owned(),
        (ApprovalState::Withdrawn, None) => "*The agent no longer asked.*".to_owned(),
        (ApprovalState::Stale, None) => "*The agent that asked was gone.*".to_owned(),
        (ApprovalState::Answered, None) => "*Answered.*".to_owned(),
    };
    parts.push(answer);
    quoted(&parts.join("\n\n"), 1)
}
