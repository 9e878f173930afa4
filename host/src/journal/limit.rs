//! The limits of what an agent says: the beginning is kept, the rest is counted, never cut silently. What is cut keeps a digest of the
//! whole, so that a change of what nobody sees is a change all the same.

use std::fmt::Write as _;

use protocol::approval::{ApprovalContent, ApprovalOption};
use protocol::item::{DeltaPart, ItemContent, ToolCall};
use protocol::limits::{
    MAX_APPROVAL_ANSWERS_BYTES, MAX_APPROVAL_DETAIL_BYTES, MAX_DETAIL_BYTES, MAX_DIFF_BYTES, MAX_ITEM_TEXT_BYTES,
    MAX_LINE_BYTES, MAX_PLAN_BYTES, MAX_TOOL_FILES, MAX_TOOL_INPUT_BYTES, MAX_TOOL_OUTPUT_BYTES,
};

use crate::consent::digest;

/// What was left out of a content, tool output apart, which counts for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// How many bytes.
    pub(crate) left_out: u64,
    /// The digest of all of it; empty when nothing was left out.
    pub(crate) whole: String,
}

/// How much of each part is kept, in bytes; of files their number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    text: usize,
    input: usize,
    output: usize,
    diffs: usize,
    files: usize,
    plan: usize,
    line: usize,
}

impl Limits {
    /// Those that hold for everything.
    pub(crate) const USUAL: Self = Self {
        text: MAX_ITEM_TEXT_BYTES,
        input: MAX_TOOL_INPUT_BYTES,
        output: MAX_TOOL_OUTPUT_BYTES,
        diffs: MAX_DIFF_BYTES,
        files: MAX_TOOL_FILES,
        plan: MAX_PLAN_BYTES,
        line: MAX_LINE_BYTES,
    };

    /// Half of each, for what takes much more room encoded than it has characters.
    pub(crate) const fn halved(self) -> Self {
        Self {
            text: self.text / 2,
            input: self.input / 2,
            output: self.output / 2,
            diffs: self.diffs / 2,
            files: self.files / 2,
            plan: self.plan / 2,
            line: self.line / 2,
        }
    }
}

/// Cuts a content to the usual limits, and says what was left out.
pub(crate) fn clamp(content: &mut ItemContent) -> Cut {
    let all = |content: &ItemContent| serde_json::to_string(content).expect("contents have string keys");
    // Only what is large is looked at twice.
    let whole = (weight(content) > MAX_PLAN_BYTES).then(|| digest(&all(content)));
    let left_out = shorten(content, Limits::USUAL);
    Cut { left_out, whole: whole.filter(|_| left_out > 0).unwrap_or_default() }
}

/// Cuts a content; returns how many bytes were left out, those of output apart.
pub(crate) fn shorten(content: &mut ItemContent, limits: Limits) -> u64 {
    match content {
        ItemContent::Text { text } | ItemContent::Reasoning { text } => cut(text, limits.text),
        ItemContent::Notice { text, code, .. } => cut(text, limits.text) + cut(code, limits.line),
        ItemContent::ToolCall(call) => {
            call.output_omitted_bytes += cut(&mut call.output, limits.output);
            tool(call, limits)
        }
        ItemContent::Plan { entries } => {
            let mut room = limits.plan;
            let mut left_out = 0;
            for entry in &mut *entries {
                left_out += cut(&mut entry.text, room);
                // An entry without words takes its place too.
                room = room.saturating_sub(entry.text.len().max(64));
            }
            if left_out > 0 {
                entries.retain(|entry| !entry.text.is_empty());
            }
            left_out
        }
        ItemContent::Unknown => 0,
    }
}

fn tool(call: &mut ToolCall, limits: Limits) -> u64 {
    let mut left_out = cut(&mut call.input, limits.input);
    left_out += cut(&mut call.title, limits.line) + cut(&mut call.name, limits.line);
    for place in call.locations.drain(limits.files.min(call.locations.len())..) {
        left_out += place.path.len() as u64;
    }
    for edit in call.diffs.drain(limits.files.min(call.diffs.len())..) {
        left_out += (edit.path.len() + edit.new_text.len() + edit.old_text.map_or(0, |old| old.len())) as u64;
    }
    let paths = call.locations.iter_mut().map(|place| &mut place.path);
    left_out += paths.chain(call.diffs.iter_mut().map(|edit| &mut edit.path)).map(|p| cut(p, limits.line)).sum::<u64>();
    let mut room = limits.diffs;
    for edit in &mut call.diffs {
        let old = edit.old_text.get_or_insert_default();
        let none = old.is_empty();
        // Old and new share what is left, so that what is shown of both is about the same lines.
        let (old_room, new_room) = match (old.len(), edit.new_text.len()) {
            (before, after) if before + after <= room => (before, after),
            (before, after) if before <= room / 2 => (before, room - before.min(after)),
            (before, after) if after <= room / 2 => (room - after, after.min(before)),
            _ => (room / 2, room / 2),
        };
        left_out += cut(old, old_room.min(room)) + cut(&mut edit.new_text, new_room.min(room - old.len()));
        room = room.saturating_sub(old.len() + edit.new_text.len());
        if none {
            edit.old_text = None;
        }
    }
    left_out
}

/// Cuts a text to a number of bytes; returns how many were left out.
fn cut(text: &mut String, bytes: usize) -> u64 {
    let kept = text.floor_char_boundary(bytes);
    let left_out = text.len() - kept;
    if left_out > 0 {
        text.truncate(kept);
        text.shrink_to_fit();
    }
    left_out as u64
}

/// How much of an addition is kept: all of it, unless it is beyond the limit of its part; the rest is counted.
pub(crate) fn admit<'a>(content: &mut ItemContent, hidden: &mut Cut, part: DeltaPart, added: &'a str) -> &'a str {
    let limits = Limits::USUAL;
    let (len, limit) = match (&mut *content, part) {
        (ItemContent::ToolCall(call), DeltaPart::Output) => {
            // Once something was left out, everything after it is: what is kept has no holes.
            let limit = if call.output_omitted_bytes > 0 { 0 } else { limits.output };
            let kept = added.floor_char_boundary(limit.saturating_sub(call.output.len()));
            call.output_omitted_bytes += (added.len() - kept) as u64;
            return &added[..kept];
        }
        (ItemContent::ToolCall(call), _) => (call.input.len(), limits.input),
        (ItemContent::Text { text } | ItemContent::Reasoning { text }, _) => (text.len(), limits.text),
        (ItemContent::Notice { .. } | ItemContent::Plan { .. } | ItemContent::Unknown, _) => return added,
    };
    let room = if hidden.left_out > 0 { 0 } else { limit.saturating_sub(len) };
    let kept = added.floor_char_boundary(room);
    if kept < added.len() {
        hidden.left_out += (added.len() - kept) as u64;
        hidden.whole = digest(&format!("{}{added}", hidden.whole));
    }
    &added[..kept]
}

/// Cuts what an approval shows, and counts that in it; returns whether what can be answered fits, which cannot be cut.
pub(crate) fn approval(content: &mut ApprovalContent, options: &[ApprovalOption]) -> bool {
    let mut left_out = cut(&mut content.detail, MAX_APPROVAL_DETAIL_BYTES);
    left_out += cut(&mut content.title, MAX_LINE_BYTES) + cut(&mut content.place, MAX_LINE_BYTES);
    for words in [&mut content.reason, &mut content.because, &mut content.danger].into_iter().flatten() {
        left_out += cut(words, MAX_LINE_BYTES);
    }
    content.left_out_bytes += left_out;
    // What stands between them counts too: a thousand options without a word are too many.
    let label = |label: &String| label.len() + 16;
    let answers: usize = content.labels.iter().map(label).chain(options.iter().map(|option| label(&option.id))).sum();
    let questions = content.questions.iter().map(|asked| {
        let offered = asked.options.iter().map(|option| option.label.len() + option.description.len() + 32);
        asked.question.len() + asked.header.len() + 64 + offered.sum::<usize>()
    });
    answers + questions.sum::<usize>() <= MAX_APPROVAL_ANSWERS_BYTES
}

/// Words about how a turn ended, cut; what was left out is named in them.
pub(crate) fn detail(mut words: String) -> String {
    let left_out = cut(&mut words, MAX_DETAIL_BYTES);
    if left_out > 0 {
        // Writing to a String cannot fail.
        let _ = write!(words, "… ({left_out} more bytes were left out)");
    }
    words
}

/// A name that an agent gives, if it can be one.
pub(crate) fn name(name: Option<String>) -> Option<String> {
    name.filter(|name| name.len() <= MAX_LINE_BYTES)
}

/// About how much memory a content takes, in bytes.
pub(crate) fn weight(content: &ItemContent) -> usize {
    match content {
        ItemContent::Text { text } | ItemContent::Reasoning { text } | ItemContent::Notice { text, .. } => text.len(),
        ItemContent::ToolCall(call) => {
            let diffs: usize = call
                .diffs
                .iter()
                .map(|diff| diff.path.len() + diff.new_text.len() + diff.old_text.as_ref().map_or(0, String::len))
                .sum();
            let places: usize = call.locations.iter().map(|place| place.path.len() + 32).sum();
            call.input.len() + call.output.len() + call.title.len() + call.name.len() + diffs + places
        }
        ItemContent::Plan { entries } => entries.iter().map(|entry| entry.text.len() + 32).sum(),
        ItemContent::Unknown => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::fold::extend;
    use protocol::item::{Diff, Location, PlanEntry, PlanStatus};

    fn call(output: String) -> ItemContent {
        ItemContent::ToolCall(ToolCall { output, ..ToolCall::default() })
    }

    #[test]
    fn nothing_is_cut_silently_whether_it_comes_whole_or_in_pieces() {
        let text = "é".repeat(MAX_TOOL_OUTPUT_BYTES / 2 + 10);
        let mut whole = call(text.clone());
        clamp(&mut whole);
        let mut grown = call(String::new());
        for piece in text.as_bytes().chunks(1000) {
            let piece = std::str::from_utf8(piece).unwrap();
            let kept = admit(&mut grown, &mut Cut::default(), DeltaPart::Output, piece).to_owned();
            extend(&mut grown, DeltaPart::Output, &kept);
        }
        assert_eq!(whole, grown);
        let ItemContent::ToolCall(call) = whole else { panic!("a tool call") };
        assert_eq!(call.output.len() as u64 + call.output_omitted_bytes, text.len() as u64);
        assert_eq!(call.output_omitted_bytes, 20);
    }

    #[test]
    fn text_and_input_are_cut_alike_whether_they_come_whole_or_in_pieces() {
        let long = "é".repeat(MAX_ITEM_TEXT_BYTES / 2 + 10);
        let input = |text: &str| ItemContent::ToolCall(ToolCall { input: text.to_owned(), ..ToolCall::default() });
        for (mut whole, mut grown, part) in [
            (ItemContent::Text { text: long.clone() }, ItemContent::Text { text: String::new() }, DeltaPart::Text),
            (input(&long), input(""), DeltaPart::Input),
        ] {
            let (cut, mut hidden) = (clamp(&mut whole), Cut::default());
            for piece in long.as_bytes().chunks(1000) {
                let piece = std::str::from_utf8(piece).unwrap();
                let kept = admit(&mut grown, &mut hidden, part, piece).to_owned();
                extend(&mut grown, part, &kept);
            }
            assert_eq!(whole, grown);
            assert_eq!(cut.left_out, hidden.left_out);
            assert_eq!(weight(&whole) as u64 + cut.left_out, long.len() as u64);
            assert!(!cut.whole.is_empty() && !hidden.whole.is_empty());
        }
    }

    #[test]
    fn after_a_hole_nothing_more_is_kept() {
        let (mut content, mut hidden) = (call("x".repeat(MAX_TOOL_OUTPUT_BYTES - 1)), Cut::default());
        assert_eq!(admit(&mut content, &mut hidden, DeltaPart::Output, "é"), "");
        assert_eq!(admit(&mut content, &mut hidden, DeltaPart::Output, "x"), "");
        assert_eq!(admit(&mut content, &mut hidden, DeltaPart::Input, "x"), "x");
        assert_eq!(hidden, Cut::default());
    }

    #[test]
    fn of_edits_and_plans_the_rest_is_counted_and_a_change_of_it_shows() {
        let edit = |old: Option<usize>, new: &str| Diff {
            path: "a.rs".into(),
            old_text: old.map(|bytes| "o".repeat(bytes)),
            new_text: new.to_owned(),
        };
        let of = |diffs: Vec<Diff>| ItemContent::ToolCall(ToolCall { diffs, ..ToolCall::default() });
        let long = "n".repeat(MAX_DIFF_BYTES);
        for diffs in [
            vec![edit(Some(2_000_000), "")],
            vec![edit(None, &long), edit(None, &long)],
            vec![edit(Some(9), &long)],
            vec![edit(Some(2_000_000), "x")],
            vec![edit(Some(MAX_DIFF_BYTES), &long), edit(Some(3), "y")],
            vec![edit(None, ""); 5_000],
        ] {
            let (before, mut content) = (of(diffs.clone()), of(diffs.clone()));
            let cut = clamp(&mut content);
            let ItemContent::ToolCall(kept) = &content else { panic!("a tool call") };
            let text: usize =
                kept.diffs.iter().map(|edit| edit.new_text.len() + edit.old_text.as_ref().map_or(0, String::len)).sum();
            assert!(text <= MAX_DIFF_BYTES && text + 8 >= MAX_DIFF_BYTES.min(weight(&before) - diffs.len() * 4));
            assert_eq!(cut.left_out, (weight(&before) - weight(&content)) as u64);
            assert!(kept.diffs.iter().zip(&diffs).all(|(kept, all)| kept.old_text.is_some() == all.old_text.is_some()));
        }
        let tail = |last: char| clamp(&mut of(vec![edit(None, &format!("{long}{last}"))]));
        assert_eq!(tail('a'), tail('a'));
        assert_ne!(tail('a'), tail('b'), "nobody sees it, and it counts");
        let step = |text: &str| PlanEntry { text: text.into(), status: PlanStatus::Pending };
        let mut plan = ItemContent::Plan { entries: vec![step("first"), step(&long), step("last")] };
        assert_eq!(clamp(&mut plan).left_out, (MAX_DIFF_BYTES - (MAX_PLAN_BYTES - 64) + 4) as u64);
        let mut small = of(vec![edit(Some(3), "x"), edit(None, "")]);
        assert_eq!(clamp(&mut small), Cut::default());
        assert_eq!(small, of(vec![edit(Some(3), "x"), edit(None, "")]));
        let locations = vec![Location { path: "x".into(), line: None }; MAX_TOOL_FILES + 7];
        assert_eq!(
            shorten(&mut ItemContent::ToolCall(ToolCall { locations, ..ToolCall::default() }), Limits::USUAL),
            7
        );
    }

    #[test]
    fn an_approval_says_how_much_is_not_shown_and_too_many_answers_do_not_fit() {
        let mut content = ApprovalContent { detail: "x".repeat(8_600_000), ..ApprovalContent::default() };
        assert!(approval(&mut content, &[]));
        assert_eq!(content.detail.len() as u64 + content.left_out_bytes, 8_600_000);
        let labels = vec![String::new(); MAX_APPROVAL_ANSWERS_BYTES / 16 + 1];
        assert!(!approval(&mut ApprovalContent { labels, ..ApprovalContent::default() }, &[]));
    }
}
