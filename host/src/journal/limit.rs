//! The limit of tool output: the head is kept, the rest is counted, never cut silently.

use protocol::item::{DeltaPart, ItemContent};
use protocol::limits::MAX_TOOL_OUTPUT_BYTES;

/// Cuts the output of a tool call to the limit, and counts what was left out.
pub(crate) fn clamp(content: &mut ItemContent) {
    if let ItemContent::ToolCall(call) = content {
        let kept = call.output.floor_char_boundary(MAX_TOOL_OUTPUT_BYTES);
        call.output_omitted_bytes += (call.output.len() - kept) as u64;
        call.output.truncate(kept);
    }
}

/// How much of an addition is kept: all of it, unless it is output beyond the limit; the rest is counted in the content.
pub(crate) fn admit<'a>(content: &mut ItemContent, part: DeltaPart, added: &'a str) -> &'a str {
    let (ItemContent::ToolCall(call), DeltaPart::Output) = (content, part) else { return added };
    // Once something was left out, everything after it is: what is kept has no holes.
    let room = if call.output_omitted_bytes > 0 { 0 } else { MAX_TOOL_OUTPUT_BYTES.saturating_sub(call.output.len()) };
    let kept = added.floor_char_boundary(room);
    call.output_omitted_bytes += (added.len() - kept) as u64;
    &added[..kept]
}

/// About how much memory a content takes, in bytes.
pub(crate) fn weight(content: &ItemContent) -> usize {
    match content {
        ItemContent::Text { text } | ItemContent::Reasoning { text } | ItemContent::Notice { text, .. } => text.len(),
        ItemContent::ToolCall(call) => {
            let diffs: usize =
                call.diffs.iter().map(|diff| diff.new_text.len() + diff.old_text.as_ref().map_or(0, String::len)).sum();
            call.input.len() + call.output.len() + diffs
        }
        ItemContent::Plan { entries } => entries.iter().map(|entry| entry.text.len()).sum(),
        ItemContent::Unknown => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::fold::extend;
    use protocol::item::ToolCall;

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
            let kept = admit(&mut grown, DeltaPart::Output, piece).to_owned();
            extend(&mut grown, DeltaPart::Output, &kept);
        }
        assert_eq!(whole, grown);
        let ItemContent::ToolCall(call) = whole else { panic!("a tool call") };
        assert_eq!(call.output.len() as u64 + call.output_omitted_bytes, text.len() as u64);
        assert_eq!(call.output_omitted_bytes, 20);
    }

    #[test]
    fn after_a_hole_nothing_more_is_kept() {
        let mut content = call("x".repeat(MAX_TOOL_OUTPUT_BYTES - 1));
        assert_eq!(admit(&mut content, DeltaPart::Output, "é"), "");
        assert_eq!(admit(&mut content, DeltaPart::Output, "x"), "");
        assert_eq!(admit(&mut content, DeltaPart::Input, "x"), "x");
    }
}
