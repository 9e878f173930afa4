//! The one bound on every fact: nothing is written that a socket could not carry. What an agent says is within its limits long before;
//! this holds for what is mostly escapes, and for whatever was not thought of.

use protocol::fact::{FeedFact, SessionFact};
use protocol::item::{Item, ItemContent, NoticeLevel};
use protocol::limits::MAX_FACT_BYTES;
use protocol::port::{Report, StreamStep};

use super::limit::{self, Limits};

/// How many bytes a character may take at most when it is encoded (`\u0001`).
const ESCAPED: usize = 6;
/// Bytes around the words of an item, at most.
const AROUND: usize = 64 * 1024;
/// How often the limits are halved: then next to nothing is left.
const HALVES: u32 = 12;

/// Makes every fact of a report fit. A fact of the feed that cannot be made smaller is left out and logged: one that nobody can receive
/// would keep everything behind it from everybody.
pub(crate) fn hold(report: &mut Report) {
    for step in &mut report.streams {
        let (StreamStep::Journal(_, facts) | StreamStep::Turn(_, facts)) = step else { continue };
        facts.iter_mut().for_each(session);
    }
    report.feed.retain_mut(|fact| {
        if let FeedFact::Approval { value: Some(approval), .. } = fact {
            bare(approval);
        }
        let bytes = fact.encode().map_or(0, |bytes| bytes.len());
        if bytes > MAX_FACT_BYTES {
            tracing::error!(bytes, "a fact of the feed is too large to be told");
        }
        bytes <= MAX_FACT_BYTES
    });
}

fn session(fact: &mut SessionFact) {
    if let SessionFact::Item { value: Some(item), .. } = fact
        && limit::weight(&item.content) * ESCAPED + AROUND <= MAX_FACT_BYTES
    {
        return;
    }
    if encoded(fact) <= MAX_FACT_BYTES {
        return;
    }
    match fact {
        SessionFact::Item { value: Some(item), .. } => shrink(item),
        SessionFact::Turn { value: Some(turn), .. } => {
            turn.content.detail = turn.content.detail.take().map(limit::detail);
            turn.model = limit::name(turn.model.take());
        }
        SessionFact::Approval { value: Some(approval), .. } => bare(approval),
        // Its item's snapshot has the words once it settles.
        SessionFact::Delta { value: Some(delta), .. } => delta.content.text.clear(),
        SessionFact::Item { .. }
        | SessionFact::Turn { .. }
        | SessionFact::Approval { .. }
        | SessionFact::Delta { .. }
        | SessionFact::Unknown { .. } => {}
    }
    let bytes = encoded(fact);
    if bytes > MAX_FACT_BYTES {
        tracing::error!(bytes, "a fact stays larger than it may be");
    }
}

fn encoded(fact: &SessionFact) -> usize {
    fact.encode().map_or(0, |bytes| bytes.len())
}

/// Leaves out more and more of an item until it fits; at last only that there was something.
fn shrink(item: &mut Item) {
    let mut limits = Limits::USUAL;
    for _ in 0..HALVES {
        limits = limits.halved();
        item.left_out_bytes += limit::shorten(&mut item.content, limits);
        if serde_json::to_vec(&*item).map_or(usize::MAX, |bytes| bytes.len()) + AROUND <= MAX_FACT_BYTES {
            return;
        }
    }
    item.left_out_bytes += limit::weight(&item.content) as u64;
    let text = "What the agent said here is too large to be kept.".to_owned();
    item.content = ItemContent::Notice { level: NoticeLevel::Warning, code: "too_large".to_owned(), text };
}

/// An approval that does not fit even so: nothing of it can be consented to, since nobody is shown it.
fn bare(approval: &mut protocol::approval::Approval) {
    if serde_json::to_vec(&*approval).map_or(0, |bytes| bytes.len()) + AROUND <= MAX_FACT_BYTES {
        return;
    }
    let content = &mut approval.content;
    let left_out = content.left_out_bytes + content.detail.len() as u64;
    *content = protocol::approval::ApprovalContent {
        title: "What is asked is too large to be shown".to_owned(),
        left_out_bytes: left_out,
        ..Default::default()
    };
}

#[cfg(test)]
mod tests {
    use protocol::fact::Operation;
    use protocol::id::{ItemId, SessionId, TurnId};
    use protocol::item::{Diff, ItemStatus, Role, ToolCall};
    use protocol::time::UnixMs;

    use super::*;

    fn item(content: ItemContent) -> SessionFact {
        let id = uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid();
        let item = Item {
            v: 1,
            session: SessionId::from_uuid(id),
            turn: TurnId::from_uuid(id),
            ord: 1,
            parent: None,
            role: Role::Agent,
            sender: None,
            status: ItemStatus::Done,
            index: 0,
            created_at_ms: UnixMs(1),
            settled_at_ms: Some(UnixMs(2)),
            left_out_bytes: 0,
            content,
        };
        (ItemId::from_uuid(id), Operation::Insert, item).into()
    }

    #[test]
    fn whatever_an_item_holds_it_fits_and_what_is_missing_is_counted() {
        let escapes = |bytes: usize| "\u{1}".repeat(bytes);
        let full = ToolCall {
            input: escapes(256 * 1024),
            output: escapes(512 * 1024),
            diffs: vec![Diff { path: escapes(4096), old_text: Some(escapes(1024)), new_text: escapes(500 * 1024) }],
            ..ToolCall::default()
        };
        let before = limit::weight(&ItemContent::ToolCall(full.clone())) as u64;
        let mut fact = item(ItemContent::ToolCall(full));
        assert!(encoded(&fact) > MAX_FACT_BYTES);
        session(&mut fact);
        assert!(encoded(&fact) <= MAX_FACT_BYTES);
        let SessionFact::Item { value: Some(kept), .. } = &fact else { panic!("an item") };
        let ItemContent::ToolCall(call) = &kept.content else { panic!("still the tool call") };
        assert_eq!(limit::weight(&kept.content) as u64 + kept.left_out_bytes + call.output_omitted_bytes, before);
        let mut huge = item(ItemContent::Text { text: escapes(3_000_000) });
        session(&mut huge);
        assert!(encoded(&huge) <= MAX_FACT_BYTES);
        let mut usual = item(ItemContent::Text { text: "x".repeat(1000) });
        let same = usual.clone();
        session(&mut usual);
        assert_eq!(usual, same);
    }
}
