import type { Approval, Item, Turn } from "../protocol/generated";
import { type Transcript, isFinal } from "./fold";

/** A line of the transcript, as it is drawn. */
export type Entry =
  | { kind: "item"; id: string; ord: number; item: Item; depth: number }
  | { kind: "approval"; id: string; ord: number; approval: Approval }
  | { kind: "end"; id: string; ord: number; turn: Turn };

/** Deepest indentation of sub-agents. */
const MAX_DEPTH = 3;

/** Items and approvals by place, and behind the last of each turn that did not end well a line that says why. */
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
  return found.sort((a, b) => a.ord - b.ord || rank[a.kind] - rank[b.kind] || (a.id < b.id ? -1 : 1));
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
