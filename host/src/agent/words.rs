//! Words that adapters make of what agents say, within bounds.

use std::collections::BTreeSet;

use protocol::host::SlashCommand;
use protocol::item::NoticeLevel;
use protocol::limits::{MAX_NAME_CHARS, MAX_SLASH_CHARS, MAX_TOOL_OUTPUT_BYTES};
use serde_json::Value;

use super::AgentEvent;

/// Longest title of a tool call, in characters: two lines of a phone.
const TITLE_CHARS: usize = 120;
/// Longest text of a notice, in characters.
const NOTICE_CHARS: usize = 600;
/// Kinds of unknown messages that are told of, per process; after that they are passed over.
const UNKNOWN_KINDS: usize = 16;

/// A notice, its text bounded.
pub(super) fn notice(level: NoticeLevel, code: &str, text: &str) -> AgentEvent {
    AgentEvent::Notice { level, code: code.to_owned(), text: clip(text, NOTICE_CHARS) }
}

/// The first line of a text, bounded.
pub(super) fn title(text: &str) -> String {
    clip(text.trim().lines().next().unwrap_or_default(), TITLE_CHARS)
}

/// At most `chars` characters, with an ellipsis when something is left out.
pub(super) fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// At most the last `chars` characters, with an ellipsis when something is left out.
pub(super) fn clip_front(text: &str, chars: usize) -> String {
    match text.char_indices().rev().nth(chars) {
        Some((before, sign)) => format!("…{}", text[before + sign.len_utf8()..].trim_start()),
        None => text.to_owned(),
    }
}

/// A tool's output within its limit, and how many bytes were left out at its end.
pub(super) fn output(text: &str) -> (String, u64) {
    if text.len() <= MAX_TOOL_OUTPUT_BYTES {
        return (text.to_owned(), 0);
    }
    let end = text.floor_char_boundary(MAX_TOOL_OUTPUT_BYTES);
    (text[..end].to_owned(), (text.len() - end) as u64)
}

/// A string in an object; empty when it is not there.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A string in an object.
pub(super) fn maybe(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A list in an object; empty when it is not there.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A path as people read it: without the project's directory in front.
pub(super) fn short_path<'a>(path: &'a str, cwd: &str) -> &'a str {
    path.strip_prefix(cwd).and_then(|rest| rest.strip_prefix('/')).filter(|rest| !rest.is_empty()).unwrap_or(path)
}

/// Something that an agent takes after a slash, in a line; `None` for a name that nobody could write, and for what is there for the agent
/// itself.
pub(super) fn slash_command(name: &str, description: &str, hint: Option<String>) -> Option<SlashCommand> {
    let plain = !name.is_empty() && !name.starts_with('_') && !name.contains(char::is_whitespace);
    plain.then(|| SlashCommand {
        name: clip(name, MAX_NAME_CHARS),
        description: clip(description.trim().lines().next().unwrap_or_default(), MAX_SLASH_CHARS),
        hint: hint.map(|hint| clip(&hint, MAX_SLASH_CHARS)),
        project: None,
    })
}

/// What people call an effort.
pub(super) fn effort_name(id: &str) -> String {
    match id {
        "xhigh" => "Extra high".to_owned(),
        "max" => "Maximum".to_owned(),
        other => {
            let mut letters = other.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        }
    }
}

/// Millionths of a US dollar, rounded.
pub(super) fn micro_usd(dollars: f64) -> u64 {
    // A turn costs less than 2^53 millionths; a negative or absurd number becomes 0 or the largest one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, which is meant")]
    let micro = (dollars * 1e6).round() as u64;
    micro
}

/// Unknown messages: each kind is told of once.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    kinds: BTreeSet<String>,
}

impl Unknown {
    /// A notice for a kind that was not met before.
    pub(super) fn meet(&mut self, kind: &str) -> Option<AgentEvent> {
        let kind = clip(kind, TITLE_CHARS);
        if self.kinds.len() >= UNKNOWN_KINDS || !self.kinds.insert(kind.clone()) {
            return None;
        }
        let text = format!("The agent sent something that Towline does not know: {kind}");
        Some(notice(NoticeLevel::Info, "unknown_message", &text))
    }
}

/// The notice for a line that was too long to be read.
pub(super) fn skipped_line(bytes: u64) -> AgentEvent {
    let text = format!("The agent sent a message of {bytes} bytes, which is more than Towline reads; it was skipped.");
    notice(NoticeLevel::Warning, "line_too_long", &text)
}

/// Lines that are no message: something beside the agent writes to its output. The first in a turn is told of; the others are counted
/// and told at its end.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    told: bool,
    more: u64,
}

impl Garbage {
    /// A notice for the first line.
    pub(super) fn meet(&mut self, line: &str) -> Option<AgentEvent> {
        if std::mem::replace(&mut self.told, true) {
            self.more = self.more.saturating_add(1);
            return None;
        }
        Some(unreadable_line(line))
    }

    /// A turn has ended: a notice for the others.
    pub(super) fn over(&mut self) -> Option<AgentEvent> {
        self.told = false;
        let more = std::mem::take(&mut self.more);
        let lines = if more == 1 { "line" } else { "lines" };
        let text = format!("The agent sent {more} more {lines} that are no message; they were skipped.");
        (more > 0).then(|| notice(NoticeLevel::Warning, "unreadable_line", &text))
    }
}

/// The notice for a line that is no JSON.
fn unreadable_line(line: &str) -> AgentEvent {
    let text = format!("The agent sent {} bytes that are no message; they were skipped.", line.len());
    notice(NoticeLevel::Warning, "unreadable_line", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_within_bounds() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äöü…");
        assert_eq!(title("\n one\ntwo"), "one");
        let (kept, omitted) = output(&"ä".repeat(MAX_TOOL_OUTPUT_BYTES));
        assert_eq!((kept.len() as u64) + omitted, 2 * MAX_TOOL_OUTPUT_BYTES as u64);
        assert!(kept.len() <= MAX_TOOL_OUTPUT_BYTES);
    }

    #[test]
    fn an_unknown_kind_is_told_of_once() {
        let mut unknown = Unknown::default();
        assert!(unknown.meet("a").is_some());
        assert!(unknown.meet("a").is_none());
        let told = (0..1000).filter(|n| unknown.meet(&format!("k{n}")).is_some()).count();
        assert_eq!(told, UNKNOWN_KINDS - 1);
    }

    #[test]
    fn garbage_is_told_of_twice_in_a_turn() {
        let mut garbage = Garbage::default();
        for _ in 0..2 {
            let told: Vec<AgentEvent> = (0..100_000).filter_map(|_| garbage.meet("npm warn")).collect();
            assert_eq!(told.len(), 1);
            let rest = garbage.over();
            assert!(matches!(&rest, Some(AgentEvent::Notice { text, .. }) if text.contains("99999 more")), "{rest:?}");
        }
        assert_eq!(garbage.over(), None);
    }

    #[test]
    fn paths_lose_the_project_only() {
        assert_eq!(short_path("/p/a/b", "/p"), "a/b");
        assert_eq!(short_path("/pq/a", "/p"), "/pq/a");
        assert_eq!(short_path("/p", "/p"), "/p");
    }
}
