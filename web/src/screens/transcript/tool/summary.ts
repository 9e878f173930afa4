import type { Diff, ItemStatus, ToolCall } from "../../../protocol/generated";
import { counts, diff } from "../../../session/diff";
import { words } from "../../../words";
import { ansiPlain } from "../../../parts/code/ansi";
import { field, inputOf } from "./input";
import { count, matches } from "./matches";
import { hostOf, pages } from "./web";

/** What is worth knowing of a call at a glance, beside its title. */
export function summary(call: ToolCall, status: ItemStatus, steps: number): string {
  if (status === "denied" || status === "interrupted") return words.tool.status(status);
  if (call.exitCode !== null && call.exitCode !== 0) return words.tool.exit(call.exitCode);
  if (call.diffs.length > 0) return call.diffs.map(plusMinus).join(" ");
  if (steps > 0) return words.tool.steps(steps);
  if (status !== "done") return "";
  if (call.tool === "search") {
    const found = matches(call.output);
    if (found === null) return "";
    const { lines, files } = count(found);
    return lines > 0 ? words.tool.found(lines) : words.tool.foundFiles(files);
  }
  if (call.tool === "fetch") {
    const host = hostOf(field(inputOf(call.input), "url"));
    const found = host === null ? pages(call.output).pages.length : 0;
    return host ?? (found > 0 ? words.tool.foundPages(found) : "");
  }
  return "";
}

function plusMinus(edit: Diff): string {
  const lines = diff(edit.oldText ?? "", edit.newText);
  if (lines === null) return "";
  const { added, removed } = counts(lines);
  return removed > 0 ? `+${added} −${removed}` : `+${added}`;
}

/** Why a call failed, in words; null when its output has to say it. */
export function reason(call: ToolCall, status: ItemStatus): string | null {
  if (call.exitCode !== null && call.exitCode !== 0) return words.tool.exited(call.exitCode);
  if (status !== "failed") return null;
  const said = ansiPlain(call.output)
    .replace(/<\/?tool_use_error>/g, "")
    .trim()
    .split("\n")[0];
  return words.tool.failedWith(said === undefined ? "" : said.slice(0, 200));
}
