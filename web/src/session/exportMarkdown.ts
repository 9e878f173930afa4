import type { Approval, Diff, Item, ItemStatus, PlanEntry, ToolCall, Turn, TurnErrorCode, Usage } from "../protocol/generated";
import { blank, closed, count, fenced, inline, quoted, time, trimmed, withoutEnd } from "./escape";
import type { Head } from "./export";
import type { Transcript } from "./fold";

/** Deepest that sub-agents are shown inside each other. */
const DEEPEST = 8;

interface Block {
  ord: number;
  rank: number;
  id: string;
  says:
    | { kind: "begin"; turn: Turn }
    | { kind: "item"; item: Item }
    | { kind: "approval"; approval: Approval }
    | { kind: "end"; turn: Turn };
}

/**
 * The session as Markdown: its head, then everything in its transcript by place. Its words are those of `protocol/src/export`, in the
 * one language that a document has which is the same wherever it was made.
 */
export function markdown(head: Head, transcript: Transcript): string {
  const items = new Map(transcript.items());
  const parts = [above(head)];
  let speaker = "";
  for (const { id, says } of blocks(transcript)) {
    if (says.kind === "begin") parts.push(...begin(says.turn));
    else if (says.kind === "approval") parts.push(asked(says.approval));
    else if (says.kind === "end") {
      parts.push(end(says.turn));
      speaker = "";
    } else {
      const { item } = says;
      const text = said(item);
      if (text === null) continue;
      const agent = transcript.turn(item.turn)?.agent ?? head.agent;
      const now = item.role === "user" ? "You" : item.role === "agent" ? inline(agent) : "Towline";
      if (now !== speaker) parts.push(`## ${now} · ${time(item.createdAtMs)}`);
      speaker = now;
      const deep = depth(id, items);
      parts.push(quoted(text, deep), ...leftOut("of this", item.leftOutBytes).map((said) => quoted(said, deep)));
    }
  }
  return `${parts.join("\n\n")}\n`;
}

/** Everything by place; a turn ends behind the last thing of it. */
function blocks(transcript: Transcript): Block[] {
  const last = new Map<string, number>();
  const found: Block[] = [];
  const behind = (turn: string, ord: number): void => void last.set(turn, Math.max(ord, last.get(turn) ?? 0));
  for (const [id, item] of transcript.items()) {
    behind(item.turn, item.ord);
    found.push({ ord: item.ord, rank: 1, id, says: { kind: "item", item } });
  }
  for (const [id, approval] of transcript.approvals()) {
    behind(approval.turn, approval.ord);
    found.push({ ord: approval.ord, rank: 2, id, says: { kind: "approval", approval } });
  }
  for (const [id, turn] of transcript.turns()) {
    found.push({ ord: turn.ord, rank: 0, id, says: { kind: "begin", turn } });
    found.push({ ord: Math.max(turn.ord, last.get(id) ?? 0), rank: 3, id, says: { kind: "end", turn } });
  }
  return found.sort((a, b) => a.ord - b.ord || a.rank - b.rank || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

function above(head: Head): string {
  const title = inline(head.title);
  const lines = [`# ${title === "" ? "Untitled session" : title}`, ""];
  if (head.project !== null) lines.push(`- Project: ${inline(head.project)}${head.path === null ? "" : ` (${inline(head.path)})`}`);
  if (head.host !== null) lines.push(`- Host: ${inline(head.host)}`);
  lines.push(`- Agent: ${inline(head.agent)}`, `- Session: ${head.session}`, `- Began: ${time(head.createdAtMs)}`, `- Exported: ${time(head.exportedAtMs)}`);
  return lines.join("\n");
}

function begin(turn: Turn): string[] {
  if (turn.origin.type === "agent") return ["*The agent began this turn by itself.*"];
  return turn.origin.type === "resume" ? ["*The agent went on with a turn that had been cut off.*"] : [];
}

const TURN_STATES: Record<Turn["state"], string> = {
  completed: "Turn completed",
  failed: "Turn failed",
  interrupted: "Turn interrupted",
  queued: "Turn queued",
  running: "Turn still running",
  awaiting_approval: "Turn waiting for a person",
};

const REASONS: Record<TurnErrorCode, string> = {
  agent_died: "the agent ended in the middle",
  agent_error: "the agent said that it failed",
  agent_unavailable: "the agent could not be started",
  cancelled: "a person stopped it",
  credentials_expired: "the agent is not logged in",
  host_restarted: "Towline on the host was stopped",
  model_unavailable: "the model was not to be had",
  overloaded: "the vendor's service had too much to do",
  rate_limited: "the vendor's limit was reached",
  refused: "the model declined to answer",
  session_not_saved: "the agent's own session was gone",
  silent: "the agent said nothing for too long",
  unknown: "for a reason unknown to this version",
};

function end(turn: Turn): string {
  const state = TURN_STATES[turn.state];
  const facts = [turn.error ? `${state}: ${REASONS[turn.error.code] ?? REASONS.unknown}` : state];
  if (turn.model !== null) facts.push(inline(turn.model));
  if (turn.startedAtMs !== null && turn.endedAtMs !== null) facts.push(`${count(Math.floor(Math.max(0, turn.endedAtMs - turn.startedAtMs) / 1000))} s`);
  if (turn.usage) facts.push(tokens(turn.usage));
  const { detail } = turn.content;
  return `*${facts.join(" · ")}*${detail === null || blank(detail) ? "" : `\n\n${fenced("", detail)}`}`;
}

function tokens({ inputTokens, outputTokens, cachedTokens, costMicroUsd }: Usage): string {
  const parts = [`${count(inputTokens)} tokens in`, `${count(outputTokens)} out`];
  if (cachedTokens > 0) parts.push(`${count(cachedTokens)} cached`);
  if (costMicroUsd !== null) {
    // Four digits behind the point, rounded down.
    const rest = String(Math.floor((costMicroUsd % 1_000_000) / 100)).padStart(4, "0");
    parts.push(`$${count(Math.floor(costMicroUsd / 1_000_000))}.${rest}`);
  }
  return parts.join(", ");
}

/** How much is not there, if anything is. */
function leftOut(of: string, bytes: number | null | undefined): string[] {
  return bytes ? [`*${count(bytes)} bytes ${of} were left out on the host.*`] : [];
}

/** How many sub-agents an item is inside of. */
function depth(id: string, items: ReadonlyMap<string, Item>): number {
  let deep = 0;
  for (let up = items.get(id)?.parent ?? null; up !== null && deep < DEEPEST; up = items.get(up)?.parent ?? null) deep += 1;
  return deep;
}

/** What an item says; null for one that says nothing. */
function said({ content, status }: Item): string | null {
  const state = status === "running" ? "*Not finished when this was exported.*" : status === "interrupted" ? "*Interrupted.*" : "";
  const stated = (text: string): string => (state === "" ? text : `${text}\n\n${state}`);
  switch (content.kind) {
    case "text":
      return blank(content.text) ? null : stated(closed(content.text));
    case "reasoning":
      return blank(content.text) ? null : `<details>\n<summary>Reasoning</summary>\n\n${stated(closed(content.text))}\n\n</details>`;
    case "tool_call":
      return tool(content, status);
    case "plan":
      return plan(content.entries);
    case "notice":
      return `**${content.level === "info" ? "Note" : content.level === "warning" ? "Warning" : "Error"}:** ${inline(content.text)}`;
    default:
      return "*Something that this version of Towline does not know.*";
  }
}

const CALL_STATES: Record<ItemStatus, string> = {
  running: " — not finished when this was exported",
  done: "",
  failed: " — failed",
  denied: " — denied",
  interrupted: " — interrupted",
  unknown: " — state unknown",
};

function tool(call: ToolCall, status: ItemStatus): string {
  const title = [call.title, call.name].map(inline).find((text) => text !== "") ?? "Tool";
  const code = call.exitCode === null || call.exitCode === 0 ? "" : ` (exit code ${call.exitCode})`;
  const parts = [`**${title}**${CALL_STATES[status]}${code}`];
  if (call.locations.length > 0) parts.push(call.locations.map(({ path, line }) => `- ${inline(path)}${line === null ? "" : `:${line}`}`).join("\n"));
  parts.push(...call.diffs.map(change));
  // The edits say what the input says.
  if (call.diffs.length === 0 && !["", "{}"].includes(trimmed(call.input))) parts.push(fenced("json", call.input));
  if (!blank(call.output)) parts.push(fenced("text", call.output));
  if (call.outputOmittedBytes > 0) parts.push(`*${count(call.outputOmittedBytes)} bytes of output were left out on the host.*`);
  return parts.join("\n\n");
}

function change({ path, oldText, newText }: Diff): string {
  const side = (mark: string, whole: string): string[] => {
    const text = withoutEnd(whole);
    return text === "" ? [] : text.split("\n").map((line) => mark + line);
  };
  return `${inline(path)}\n\n${fenced("diff", [...side("-", oldText ?? ""), ...side("+", newText)].join("\n"))}`;
}

function plan(entries: readonly PlanEntry[]): string {
  const lines = entries.map(({ text, status }) => `- [${status === "completed" ? "x" : " "}] ${inline(text)}${status === "in_progress" ? " *(under way)*" : ""}`);
  return ["**Plan**\n", ...lines].join("\n");
}

const UNANSWERED: Record<Approval["state"], string> = {
  pending: "*Not answered yet.*",
  expired: "*Nobody answered in time.*",
  withdrawn: "*The agent no longer asked.*",
  stale: "*The agent that asked was gone.*",
  answered: "*Answered.*",
};

function asked({ content, decision, options, state }: Approval): string {
  const parts = [`**Asked:** ${inline(content.title)}`];
  if (!blank(content.detail)) parts.push(fenced("", content.detail));
  parts.push(...leftOut("of what was asked", content.leftOutBytes));
  parts.push(...content.questions.map(({ question }) => `- ${inline(question)}`));
  if (decision) {
    const label = content.labels[options.findIndex((option) => option.id === decision.option)] ?? decision.option;
    parts.push(`**Answered:** ${inline(label)} · ${time(decision.atMs)}`);
  } else parts.push(UNANSWERED[state]);
  return quoted(parts.join("\n\n"), 1);
}
