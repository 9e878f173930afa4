import type { Approval, Delta, DeltaPart, Item, ItemContent, Turn, TurnState } from "../protocol/generated";
import type { Fact } from "./fact";

/**
 * The fold of a session: its journal and its turn streams in, the transcript out. The twin of `protocol/src/fold`; both run the
 * files of `protocol/fixtures/fold`, so the rules are explained there.
 *
 * Rows are replaced, never changed: a component may compare them by identity.
 */
export class Transcript {
  readonly #turns = new Map<string, Turn>();
  readonly #settled = new Map<string, Item>();
  readonly #live = new Map<string, Live>();
  /** Abandoned items, by turn. */
  readonly #abandoned = new Map<string, Set<string>>();
  readonly #approvals = new Map<string, Approval>();
  /** What belongs to each turn, so that a change costs as much as its turn and not as the whole session. */
  readonly #parts = new Map<string, Part>();

  /** Takes the next fact of the journal. */
  journal(fact: Fact): void {
    if (fact.value === null) return;
    if (fact.type === "turn") this.#turn(fact.key, fact.value);
    else if (fact.type === "item") {
      this.#live.delete(fact.key);
      this.#settle(fact.key, fact.value);
    } else if (fact.type === "approval") this.#approve(fact.key, fact.value);
  }

  /** Takes an older page of the journal, in its order; what is known already is newer and stays. */
  older(page: readonly Fact[]): void {
    const before = new Transcript();
    for (const fact of page) before.journal(fact);
    for (const [id, item] of before.#settled) {
      this.#live.delete(id);
      if (!this.#settled.has(id)) this.#settle(id, item);
    }
    for (const [id, approval] of before.#approvals) if (!this.#approvals.has(id)) this.#approve(id, approval);
    for (const [id, turn] of before.#turns) if (!this.#turns.has(id)) this.#turn(id, turn);
  }

  /** Takes the next message of a turn stream; what is read twice counts once. */
  live(turn: string, fact: Fact): void {
    const known = this.#turns.get(turn);
    if (known && isFinal(known.state)) return;
    if (fact.type === "item" && fact.value === null) {
      this.#live.delete(fact.key);
      this.#part(turn).stamp += 1;
      let gone = this.#abandoned.get(turn);
      if (!gone) this.#abandoned.set(turn, (gone = new Set()));
      gone.add(fact.key);
    } else if (fact.type === "item" && fact.value) this.#snapshot(turn, fact.key, fact.value);
    else if (fact.type === "delta" && fact.value) this.#delta(fact.key, fact.value);
  }

  turn(id: string): Turn | undefined {
    return this.#turns.get(id);
  }

  approval(id: string): Approval | undefined {
    return this.#approvals.get(id);
  }

  item(id: string): Item | undefined {
    return this.#settled.get(id) ?? this.#live.get(id)?.item;
  }

  /** The turns, by their place. */
  turns(): [string, Turn][] {
    return [...this.#turns].sort(byPlace);
  }

  /** The items to show, by their place. */
  items(): [string, Item][] {
    const live = [...this.#live].map(([id, { item }]): [string, Item] => [id, item]);
    return [...this.#settled, ...live].sort(byPlace);
  }

  /** The approvals, by their place. */
  approvals(): [string, Approval][] {
    return [...this.#approvals].sort(byPlace);
  }

  /** The turns of which anything is known, each with a number that grows with every change of what belongs to it. */
  parts(): ReadonlyMap<string, Readonly<Part>> {
    return this.#parts;
  }

  #part(turn: string): Part {
    let part = this.#parts.get(turn);
    if (!part) this.#parts.set(turn, (part = { stamp: 0, items: new Set(), approvals: new Set(), saidAtMs: null }));
    return part;
  }

  #note(id: string, item: Item): void {
    const part = this.#part(item.turn);
    part.stamp += 1;
    part.items.add(id);
    if (item.role === "user") part.saidAtMs = Math.max(part.saidAtMs ?? 0, item.createdAtMs);
  }

  #settle(id: string, item: Item): void {
    // A prompt that was taken into the turn that ran has left its own.
    const before = this.#settled.get(id)?.turn;
    if (before !== undefined && before !== item.turn) {
      const left = this.#part(before);
      left.stamp += 1;
      left.items.delete(id);
    }
    this.#settled.set(id, item);
    this.#note(id, item);
  }

  #approve(id: string, approval: Approval): void {
    this.#approvals.set(id, approval);
    const part = this.#part(approval.turn);
    part.stamp += 1;
    part.approvals.add(id);
  }

  #turn(id: string, turn: Turn): void {
    this.#part(id).stamp += 1;
    if (isFinal(turn.state)) {
      for (const [item, live] of this.#live) if (live.item.turn === id) this.#live.delete(item);
      this.#abandoned.delete(id);
    }
    this.#turns.set(id, turn);
  }

  #snapshot(turn: string, id: string, item: Item): void {
    if (this.#settled.has(id) || this.#abandoned.get(turn)?.has(id)) return;
    const live = this.#live.get(id);
    if (live && item.index < live.next) return;
    this.#live.set(id, { item, next: item.index + 1 });
    this.#note(id, item);
  }

  #delta(id: string, delta: Delta): void {
    const live = this.#live.get(id);
    if (!live || live.next !== delta.index) return;
    const content = extend(live.item.content, delta.part, delta.content.text);
    this.#live.set(id, { item: { ...live.item, content, index: delta.index }, next: live.next + 1 });
    this.#part(live.item.turn).stamp += 1;
  }
}

/** What belongs to a turn. An item that was abandoned stays named here: `item` does not know it any more. */
export interface Part {
  stamp: number;
  items: Set<string>;
  approvals: Set<string>;
  /** When a person said something in it; null while that is not known. */
  saidAtMs: number | null;
}

interface Live {
  item: Item;
  /** The index of the next message that counts. */
  next: number;
}

/** Whether a turn has ended. */
export function isFinal(state: TurnState): boolean {
  return state === "completed" || state === "failed" || state === "interrupted";
}

function byPlace(a: [string, { ord: number }], b: [string, { ord: number }]): number {
  return a[1].ord - b[1].ord || (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);
}

/** Adds words to a part of an item; a part that the item does not have takes nothing. */
function extend(content: ItemContent, part: DeltaPart, words: string): ItemContent {
  if ((content.kind === "text" || content.kind === "reasoning") && part === "text") {
    return { ...content, text: content.text + words };
  }
  if (content.kind === "tool_call" && part === "input") return { ...content, input: content.input + words };
  if (content.kind === "tool_call" && part === "output") return { ...content, output: content.output + words };
  return content;
}
