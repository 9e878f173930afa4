import type { Approval, Item, Turn } from "../protocol/generated";
import { type Transcript, isFinal } from "./fold";

/** What an agent or a person says or does. What a sub-agent does stands in the call that runs it. */
export interface ItemEntry {
  kind: "item";
  id: string;
  ord: number;
  item: Item;
  depth: number;
  children: ItemEntry[];
}

/** A line of the transcript, as it is drawn. `ord` is its place among the lines of its turn. */
export type Entry = ItemEntry | { kind: "approval"; id: string; ord: number; approval: Approval } | { kind: "end"; id: string; ord: number; turn: Turn };

/** Tools that write the plan down. */
const PLANNERS: ReadonlySet<string> = new Set(["TodoWrite", "TaskCreate", "TaskUpdate", "TaskList"]);
/** Deepest indentation of sub-agents. */
const MAX_DEPTH = 3;

interface Block {
  stamp: number;
  place: number;
  lines: Entry[];
}

/** The lines of each turn, as they were when it changed last: words that come cost as much as their turn. */
const blocks = new WeakMap<Transcript, Map<string, Block>>();

/**
 * Turns by place; in each its items and approvals by place, what its sub-agents did within their calls, and at its end what it used
 * and, when it did not end well, why.
 *
 * A prompt that waited was written down while another turn ran: between that turn's lines by place, but it is read with its answer.
 */
export function entries(transcript: Transcript): Entry[] {
  let known = blocks.get(transcript);
  if (!known) blocks.set(transcript, (known = new Map<string, Block>()));
  for (const [turn, { stamp }] of transcript.parts()) if (known.get(turn)?.stamp !== stamp) known.set(turn, block(transcript, turn, stamp));
  return [...known.values()].sort((a, b) => a.place - b.place).flatMap(({ lines }) => lines);
}

function block(transcript: Transcript, id: string, stamp: number): Block {
  const found: Entry[] = [];
  const part = transcript.parts().get(id);
  const turn = transcript.turn(id);
  const made = new Map<string, ItemEntry>();
  const plans = new Map<string, ItemEntry>();
  const items = [...(part?.items ?? [])].flatMap((key): [string, Item][] => {
    const item = transcript.item(key);
    return item ? [[key, item]] : [];
  });
  items.sort((a, b) => a[1].ord - b[1].ord || (a[0] < b[0] ? -1 : 1));
  for (const [key, item] of items) {
    const entry: ItemEntry = { kind: "item", id: key, ord: item.ord, item, depth: 0, children: [] };
    // A plan is told whole each time: there is one in a turn, where it was made first, as it is now.
    const of = item.parent ?? "";
    const first = item.content.kind === "plan" ? plans.get(of) : undefined;
    if (first) first.item = item;
    else made.set(key, entry);
    if (item.content.kind === "plan" && !first) plans.set(of, entry);
  }
  for (const entry of made.values()) {
    if (restates(entry.item, plans)) continue;
    const home = nest(transcript, made, entry);
    if (home) home.children.push(entry);
    else found.push(entry);
  }
  for (const key of part?.approvals ?? []) {
    const approval = transcript.approval(key);
    if (approval) found.push({ kind: "approval", id: key, ord: approval.ord, approval });
  }
  const rank = { item: 0, approval: 1, end: 2 } as const;
  found.sort((a, b) => a.ord - b.ord || rank[a.kind] - rank[b.kind] || (a.id < b.id ? -1 : 1));
  // The fact of a turn may stand on an older page; then the first of its lines has to do.
  const place = turn?.ord ?? found[0]?.ord ?? 0;
  if (turn && isFinal(turn.state) && (turn.state !== "completed" || turn.usage !== null)) found.push({ kind: "end", id, ord: Math.max(turn.ord, items.at(-1)?.[1].ord ?? 0), turn });
  return { stamp, place, lines: found };
}

/** The turn that a line belongs to. */
export function turnOf(entry: Entry): string {
  return entry.kind === "item" ? entry.item.turn : entry.kind === "approval" ? entry.approval.turn : entry.id;
}

/** Whether two lines would be drawn alike. */
export function same(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.kind === "item" && b.kind === "item") {
    return a.item === b.item && a.depth === b.depth && a.children.length === b.children.length && a.children.every((child, at) => same(child, b.children[at] ?? child));
  }
  if (a.kind === "approval" && b.kind === "approval") return a.approval === b.approval;
  return a.kind === "end" && b.kind === "end" && a.turn === b.turn;
}

/** The call within which an item is drawn, its depth noted; none when that call is not known, or when the calls go in a circle. */
function nest(transcript: Transcript, made: ReadonlyMap<string, ItemEntry>, entry: ItemEntry): ItemEntry | null {
  let steps = 0;
  let above = entry.item.parent;
  const seen = new Set([entry.id]);
  while (above !== null) {
    if (seen.has(above)) {
      entry.depth = MAX_DEPTH;
      return null;
    }
    seen.add(above);
    steps += 1;
    above = transcript.item(above)?.parent ?? null;
  }
  entry.depth = Math.min(steps, MAX_DEPTH);
  const home = made.get(entry.item.parent ?? "");
  return home?.item.content.kind === "tool_call" ? home : null;
}

/** A call that only writes the plan down says nothing that the plan does not say, unless it failed. */
function restates(item: Item, plans: ReadonlyMap<string, ItemEntry>): boolean {
  return item.content.kind === "tool_call" && PLANNERS.has(item.content.name) && item.status === "done" && plans.has(item.parent ?? "");
}
