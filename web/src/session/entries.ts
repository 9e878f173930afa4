import type { Approval, Item, Turn } from "../protocol/generated";
import { type Transcript, isFinal } from "./fold";

/** A line of the transcript, as it is drawn. `ord` is its place among the lines of its turn. */
export type Entry =
  | { kind: "item"; id: string; ord: number; item: Item; depth: number }
  | { kind: "approval"; id: string; ord: number; approval: Approval }
  | { kind: "end"; id: string; ord: number; turn: Turn };

/** Deepest indentation of sub-agents. */
const MAX_DEPTH = 3;

/**
 * Turns by place; in each its items and approvals by place, and a line that says why when it did not end well.
 *
 * A prompt that waited was written down while another turn ran: between that turn's lines by place, but it is read with its answer.
 */
export function entries(transcript: Transcript): Entry[] {
  const found: Entry[] = [];
  const last = new Map<string, number>();
  const note = (turn: string, ord: number): void => {
    last.set(turn, Math.max(last.get(turn) ?? 0, ord));
  };
  for (const [id, item] of transcript.items()) {
    found.push({ kind: "item", id, ord: item.ord, item, depth: depth(transcript, item) });
    note(item.turn, item.ord);
  }
  for (const [id, approval] of transcript.approvals()) {
    found.push({ kind: "approval", id, ord: approval.ord, approval });
    note(approval.turn, approval.ord);
  }
  for (const [id, turn] of transcript.turns()) {
    if (isFinal(turn.state) && turn.state !== "completed") found.push({ kind: "end", id, ord: last.get(id) ?? turn.ord, turn });
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
  if (a.kind === "item" && b.kind === "item") return a.item === b.item && a.depth === b.depth;
  if (a.kind === "approval" && b.kind === "approval") return a.approval === b.approval;
  return a.kind === "end" && b.kind === "end" && a.turn === b.turn;
}

function depth(transcript: Transcript, item: Item): number {
  let steps = 0;
  let parent = item.parent;
  while (parent !== null && steps < MAX_DEPTH) {
    steps += 1;
    parent = transcript.item(parent)?.parent ?? null;
  }
  return steps;
}
