/** Longest text that is cut into blocks and drawn as Markdown, in characters; a longer one is shown as it is. */
export const MAX_MARKDOWN = 200_000;

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const DEFINITION = /^ {0,3}\[[^\]]+\]:/m;

/**
 * Cuts Markdown into blocks that can be drawn on their own, so that a growing text draws only its last block anew. It cuts at
 * blank lines before an unindented line that begins no list, outside of fences; a text with link definitions is left whole.
 */
export function blocks(text: string): string[] {
  if (DEFINITION.test(text)) return [text];
  const found: string[] = [];
  let lines: string[] = [];
  let fence: string | null = null;
  let blank = false;
  for (const line of text.split("\n")) {
    const mark = FENCE.exec(line)?.[1];
    const starts = fence === null && blank && line !== "" && !/^(?:\s|[-*+>|]|\d+[.)])/.test(line);
    if (starts && lines.length > 0) {
      found.push(lines.join("\n"));
      lines = [];
    }
    lines.push(line);
    if (mark !== undefined) {
      if (fence === null) fence = mark;
      else if (mark[0] === fence[0] && mark.length >= fence.length && line.trim() === mark) fence = null;
    }
    blank = line.trim() === "";
  }
  if (lines.length > 0) found.push(lines.join("\n"));
  return found;
}
