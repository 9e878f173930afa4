//! A transcript in a terminal: words as they come, everything else a line when it is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use protocol::approval::ApprovalState;
use protocol::fold::Transcript;
use protocol::id::{ApprovalId, ItemId, TurnId};
use protocol::item::{Item, ItemContent, ItemStatus, Role, ToolCall};

use crate::output::printable;

/// Remembers what was printed.
#[derive(Debug, Default)]
pub(super) struct Printer {
    /// Only this turn is printed, if one is named.
    pub(super) only: Option<TurnId>,
    /// The words printed of items that have not settled.
    said: BTreeMap<ItemId, String>,
    done: BTreeSet<ItemId>,
    asked: BTreeSet<ApprovalId>,
    /// Whether the last line is not finished.
    midline: bool,
}

impl Printer {
    /// What is to be printed now.
    pub(super) fn news(&mut self, transcript: &Transcript) -> String {
        let mut out = String::new();
        for (id, item) in transcript.items() {
            if self.done.contains(&id) || self.only.is_some_and(|turn| turn != item.turn) {
                continue;
            }
            let settled = item.status != ItemStatus::Running;
            if let (ItemContent::Text { text }, Role::Agent) = (&item.content, item.role) {
                self.words(&mut out, id, text);
                if !settled {
                    // What comes after it waits, so that sentences stay whole.
                    break;
                }
                self.end_line(&mut out);
            } else if settled
                // Whoever follows one turn has typed its prompt.
                && (self.only.is_none() || item.role != Role::User)
                && let Some(line) = line(item)
            {
                self.end_line(&mut out);
                out.push_str(&line);
                out.push('\n');
            }
            if settled && item.left_out_bytes > 0 {
                self.end_line(&mut out);
                // Writing to a String cannot fail.
                let _ = writeln!(out, "! {} bytes of this were left out on the host", item.left_out_bytes);
            }
            if settled {
                self.done.insert(id);
                self.said.remove(&id);
            }
        }
        for (id, approval) in transcript.approvals() {
            let ours = self.only.is_none_or(|turn| turn == approval.turn);
            if ours && approval.state == ApprovalState::Pending && self.asked.insert(id) {
                self.end_line(&mut out);
                let options: Vec<&str> = approval.options.iter().map(|option| option.id.as_str()).collect();
                // Writing to a String cannot fail.
                let _ = writeln!(out, "? {}", approval.content.title);
                if approval.content.left_out_bytes > 0 {
                    let _ = writeln!(out, "  {} bytes of it are too many to be shown", approval.content.left_out_bytes);
                }
                let _ = writeln!(out, "  towline answer {id} allow|deny   (or: {})", options.join(", "));
            }
        }
        printable(&out)
    }

    /// Finishes an unfinished line.
    pub(super) fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.midline) { "\n" } else { "" }
    }

    fn end_line(&mut self, out: &mut String) {
        if std::mem::take(&mut self.midline) {
            out.push('\n');
        }
    }

    fn words(&mut self, out: &mut String, id: ItemId, text: &str) {
        let said = self.said.entry(id).or_default();
        if let Some(new) = text.strip_prefix(said.as_str()) {
            out.push_str(new);
            said.push_str(new);
        } else {
            // The settled words are not what was said so far: they are said again, whole.
            out.push('\n');
            out.push_str(text);
            text.clone_into(said);
        }
        self.midline = !said.is_empty() && !said.ends_with('\n');
    }
}

fn line(item: &Item) -> Option<String> {
    let how = match item.status {
        ItemStatus::Failed => " (failed)",
        ItemStatus::Denied => " (denied)",
        ItemStatus::Interrupted => " (interrupted)",
        ItemStatus::Running | ItemStatus::Done | ItemStatus::Unknown => "",
    };
    match &item.content {
        ItemContent::Text { text } => Some(text.lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n")),
        ItemContent::ToolCall(ToolCall { name, title, .. }) if title.is_empty() => Some(format!("* {name}{how}")),
        ItemContent::ToolCall(ToolCall { title, .. }) => Some(format!("* {title}{how}")),
        ItemContent::Notice { text, .. } => Some(format!("! {text}")),
        ItemContent::Plan { entries } => {
            Some(entries.iter().map(|entry| format!("- {}", entry.text)).collect::<Vec<_>>().join("\n"))
        }
        ItemContent::Reasoning { .. } | ItemContent::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::fact::{Operation, SessionFact};
    use protocol::id::SessionId;
    use protocol::item::{Delta, DeltaContent, DeltaPart};
    use protocol::time::UnixMs;

    fn uuid(n: u64) -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(n, &[0; 10]).into_uuid()
    }

    fn item(ord: u64, role: Role, status: ItemStatus, content: ItemContent) -> SessionFact {
        let item = Item {
            v: 1,
            session: SessionId::from_uuid(uuid(1)),
            turn: TurnId::from_uuid(uuid(1)),
            ord,
            parent: None,
            role,
            sender: None,
            status,
            index: 0,
            created_at_ms: UnixMs(1),
            settled_at_ms: None,
            left_out_bytes: 0,
            content,
        };
        (ItemId::from_uuid(uuid(ord)), Operation::Insert, item).into()
    }

    fn text(text: &str) -> ItemContent {
        ItemContent::Text { text: text.to_owned() }
    }

    #[test]
    fn words_come_as_they_are_said_and_each_once() {
        let turn = TurnId::from_uuid(uuid(1));
        let (mut transcript, mut printer) = (Transcript::new(), Printer::default());
        transcript.journal(item(1, Role::User, ItemStatus::Done, text("hi\nthere")));
        assert_eq!(printer.news(&transcript), "> hi\n> there\n");
        transcript.live(turn, item(2, Role::Agent, ItemStatus::Running, text("Hel")));
        let delta = Delta { v: 1, index: 1, part: DeltaPart::Text, content: DeltaContent { text: "lo".into() } };
        assert_eq!(printer.news(&transcript), "Hel");
        transcript.live(turn, (ItemId::from_uuid(uuid(2)), Operation::Insert, delta).into());
        let tool = ItemContent::ToolCall(ToolCall { title: "Write a.txt".into(), ..ToolCall::default() });
        transcript.journal(item(3, Role::Agent, ItemStatus::Denied, tool));
        assert_eq!(printer.news(&transcript), "lo");
        transcript.journal(item(2, Role::Agent, ItemStatus::Done, text("Hello.\x1b[2J")));
        assert_eq!(printer.news(&transcript), ".\u{fffd}[2J\n* Write a.txt (denied)\n");
        assert_eq!((printer.news(&transcript).as_str(), printer.finish()), ("", ""));
    }

    #[test]
    fn settled_words_that_differ_are_said_whole() {
        let (mut transcript, mut printer) = (Transcript::new(), Printer::default());
        transcript.live(TurnId::from_uuid(uuid(1)), item(2, Role::Agent, ItemStatus::Running, text("Helo")));
        assert_eq!((printer.news(&transcript).as_str(), printer.finish()), ("Helo", "\n"));
        transcript.journal(item(2, Role::Agent, ItemStatus::Done, text("Hello")));
        assert_eq!(printer.news(&transcript), "\nHello\n");
    }
}
