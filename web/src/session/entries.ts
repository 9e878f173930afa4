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

/** Deepest indentation of sub-agents. */
const MAX_DEPTH = 3;

/**
 * Turns by place; in each its items and approvals by place, what its sub-agents did within their calls, and at its end what it used
 * and, when it did not end well, why.
 *
 * A prompt that waited was written down while another turn ran: between that turn's lines by place, but it is read with its answer.
 */
export function entries(transcript: Transcript): Entry[] {
  const found: Entry[] = [];
  const last = new Map<string, number>();
  const note = (turn: string, ord: number): void => {
    last.set(turn, Math.max(last.get(turn) ?? 0, ord));
  };
  const made = new Map<string, ItemEntry>();
  const plans = new Map<string, ItemEntry>();
  for (const [id, item] of transcript.items()) {
    note(item.turn, item.ord);
    const entry: ItemEntry = { kind: "item", id, ord: item.ord, item, depth: 0, children: [] };
    made.set(id, entry);
    // A plan is told whole each time: there is one in a turn, where it was made first, as it is now.
    if (item.content.kind !== "plan") continue;
    const of = `${item.turn} ${item.parent}`;
    const first = plans.get(of);
    if (first) {
      first.item = item;
      made.delete(id);
    } else plans.set(of, entry);
  }
  for (const entry of made.values()) {
    if (restates(entry.item, plans)) continue;
    const home = nest(made, entry);
    if (home) home.children.push(entry);
    else found.push(entry);
  }
  for (const [id, approval] of transcript.approvals()) {
    found.push({ kind: "approval", id, ord: approval.ord, approval });
    note(approval.turn, approval.ord);
  }
  for (const [id, turn] of transcript.turns()) {
    if (isFinal(turn.state) && (turn.state !== "completed" || turn.usage !== null)) found.push({ kind: "end", id, ord: last.get(id) ?? turn.ord, turn });
  }
  const rank = { item: 0, approval: 1, end: 2 } as const;
  const first = new Map<string, number>();
  for (const entry of found) first.set(turnOf(entry), Math.min(first.get(turnOf(entry)) ?? entry.ord, entry.ord));
  // The fact of a turn may stand on an older page; then the first of its lines has to do.
  const place = (entry: Entry): number => transcript.turn(turnOf(entry))?.ord ?? first.get(turnOf(entry)) ?? 0;
  const places = new Map(found.map((entry) => [entry, place(entry)]));
  return found.sort(
    (a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0) || a.ord - b.ord || rank[a.kind] - rank[b.kind] || (a.id < b.id ? -1 : 1),
  );
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
function nest(made: ReadonlyMap<string, ItemEntry>, entry: ItemEntry): ItemEntry | null {
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
    above = made.get(above)?.item.parent ?? null;
  }
  entry.depth = Math.min(steps, MAX_DEPTH);
  const home = made.get(entry.item.parent ?? "");
  return home?.item.content.kind === "tool_call" ? home : null;
}

/** A call that only writes the plan down says nothing that the plan does not say, unless it failed. */
function restates(item: Item, plans: ReadonlyMap<string, ItemEntry>): boolean {
  return item.content.kind === "tool_call" && item.content.name === "TodoWrite" && item.status === "done" && plans.has(`${item.turn} ${item.parent}`);
}
