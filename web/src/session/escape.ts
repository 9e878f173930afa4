/** White space as Unicode has it, which is not quite what `\s` means. */
const SPACE = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WORDS = new RegExp(`[^${SPACE}]+`, "gu");
const SOMETHING = new RegExp(`[^${SPACE}]`, "u");
const AROUND = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "gu");

/** Whether a text says nothing. */
export function blank(text: string): boolean {
  return !SOMETHING.test(text);
}

/** A text without white space around it. */
export function trimmed(text: string): string {
  return text.replace(AROUND, "");
}

/** A text as one line of plain words. */
export function inline(text: string): string {
  return (text.match(WORDS) ?? []).join(" ").replace(/[\\`*_<>[\]#|]/g, "\\$&");
}

/** A text as a block of code, fenced by more backticks than it holds in a row. */
export function fenced(language: string, text: string): string {
  const longest = Math.max(0, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
  const fence = "`".repeat(Math.max(3, longest + 1));
  return `${fence}${language}\n${withoutEnd(text)}\n${fence}`;
}

/** A text without one newline at its end. */
export function withoutEnd(text: string): string {
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

/** A text that is Markdown, with the block of code that it may leave open closed: what stands below stays outside of it. */
export function closed(text: string): string {
  const whole = text.replace(/[\n\r ]+$/, "");
  let open: { mark: string; count: number } | null = null;
  for (const line of whole.split("\n")) {
    const found = fence(line);
    if (found === null) continue;
    if (open === null) open = found;
    else if (found.alone && found.mark === open.mark && found.count >= open.count) open = null;
  }
  return open === null ? whole : `${whole}\n${open.mark.repeat(open.count)}`;
}

/** A fence that a line opens or closes: its character, how many there are, and whether nothing follows. */
function fence(line: string): { mark: string; count: number; alone: boolean } | null {
  const found = /^ {0,3}(`{3,}|~{3,})([^]*)$/.exec(line);
  const [, marks = "", rest = ""] = found ?? [];
  const mark = marks[0] ?? "";
  // Backticks with a backtick behind them on the same line are code within a line.
  if (found === null || (mark === "`" && rest.includes("`"))) return null;
  return { mark, count: marks.length, alone: /^[ \t\r]*$/.test(rest) };
}

/** Every line behind as many `>` as it is deep. */
export function quoted(text: string, depth: number): string {
  if (depth === 0) return text;
  const mark = Array<string>(depth).fill(">").join(" ");
  return text
    .split("\n")
    .map((line) => (line === "" ? mark : `${mark} ${line}`))
    .join("\n");
}

/** A point of time as `2026-11-20 22:30 UTC`. */
export function time(atMs: number): string {
  const date = new Date(atMs);
  return `${(Number.isNaN(date.getTime()) ? new Date(0) : date).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** A count with its thousands apart: `12,345`. */
export function count(number: number): string {
  return String(number).replace(/\B(?=(?:\d{3})+$)/g, ",");
}
