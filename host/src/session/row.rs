//! A session as the lists and the notes have it.

use protocol::fact::{FACT_VERSION, FeedFact, Operation};
use protocol::id::SessionId;
use protocol::item::ItemContent;
use protocol::session::{Activity, Session as Fact, SessionContent};

use super::Session;
use crate::context::Context;
use crate::notes::{SessionNote, TurnNote};

/// Longest title made from a prompt, in characters.
const TITLE_CHARS: usize = 80;
/// Longest line of what a session is doing, in characters.
const DOING_CHARS: usize = 120;

/// The feed's fact of a session without an agent's work in the background.
pub(crate) fn fact(
    context: &Context,
    id: SessionId,
    row: &SessionNote,
    activity: Activity,
    queued_turns: usize,
    operation: Operation,
) -> FeedFact {
    let value = Fact {
        v: FACT_VERSION,
        account: context.me.account,
        host: context.me.host,
        project: row.project,
        agent: row.agent.clone(),
        model: row.model.clone(),
        mode: row.mode.clone(),
        effort: row.effort.clone(),
        activity,
        last_turn: row.last_turn,
        queued_turns: u32::try_from(queued_turns).unwrap_or(u32::MAX),
        background_tasks: 0,
        created_at_ms: row.created_at_ms,
        updated_at_ms: row.updated_at_ms,
        // The hub's to say, whatever stands here.
        archived_at_ms: None,
        ended_turns: row.ended_turns,
        from: row.from,
        content: SessionContent { title: row.title.clone(), doing: row.doing.clone() },
    };
    (id, operation, value).into()
}

/// The title of a session that begins with this prompt: its words, or the name of the first file that came with it.
pub(crate) fn title_by(prompt: &TurnNote) -> String {
    let words = title(prompt.text.as_deref().unwrap_or_default());
    match prompt.fact.content.attachments.first() {
        Some(first) if words.is_empty() => title(&first.name),
        Some(_) | None => words,
    }
}

impl Session {
    /// The feed's fact of this session as it stands.
    pub(super) fn fact(&self, queued_turns: usize, operation: Operation) -> FeedFact {
        let mut fact = fact(&self.context, self.id, &self.row, self.activity(), queued_turns, operation);
        if let FeedFact::Session { value: Some(value), .. } = &mut fact {
            value.background_tasks = u32::try_from(self.background.len()).unwrap_or(u32::MAX);
        }
        fact
    }
}

/// A title made from a prompt: its first line that says something.
fn title(prompt: &str) -> String {
    cut(prompt.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default(), TITLE_CHARS)
}

/// One line of what an item says; `None` when it says nothing to a list.
pub(crate) fn doing(content: &ItemContent) -> Option<String> {
    let line = match content {
        ItemContent::Text { text } => text.lines().rev().map(str::trim).find(|line| !line.is_empty())?,
        ItemContent::ToolCall(call) if call.title.is_empty() => &call.name,
        ItemContent::ToolCall(call) => &call.title,
        ItemContent::Reasoning { .. }
        | ItemContent::Plan { .. }
        | ItemContent::Notice { .. }
        | ItemContent::Unknown => {
            return None;
        }
    };
    Some(line_of(line))
}

/// The first line of a text, cut to what a list shows.
pub(crate) fn line_of(text: &str) -> String {
    cut(text.lines().next().unwrap_or_default().trim(), DOING_CHARS)
}

fn cut(line: &str, chars: usize) -> String {
    match line.char_indices().nth(chars) {
        None => line.to_owned(),
        Some(_) => line.chars().take(chars - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_line_that_says_something() {
        assert_eq!(title("\n  fix the build  \nplease"), "fix the build");
        assert_eq!(title("x".repeat(80).as_str()), "x".repeat(80));
        assert_eq!(title("é".repeat(200).as_str()).chars().count(), 80);
        assert_eq!(title(""), "");
    }

    #[test]
    fn doing_shows_the_last_words_and_the_running_tool() {
        let text = ItemContent::Text { text: "one\ntwo\n".into() };
        assert_eq!(doing(&text).as_deref(), Some("two"));
        assert_eq!(doing(&ItemContent::Plan { entries: vec![] }), None);
    }
}
