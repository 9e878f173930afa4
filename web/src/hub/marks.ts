import type { ReadMark, Session } from "../protocol/generated";
import { type Api, Unreachable } from "./api";
import { Store } from "./store";

/** How many ended turns nobody has looked at yet. */
export function unread(session: Session, mark: ReadMark | undefined, here: number): number {
  return Math.max(0, session.endedTurns - Math.max(mark?.readTurns ?? 0, here));
}

/** What was read here; told to the hub until it knows, so that all devices agree. */
export class Reading {
  /** How many turns were read on this page, by session: shown at once, before the hub has said so. */
  readonly here = new Store<ReadonlyMap<string, number>>(new Map());
  readonly #api: Pick<Api, "markRead">;
  readonly #owed = new Map<string, number>();
  #telling = false;
  #open = true;

  constructor(api: Pick<Api, "markRead">) {
    this.#api = api;
  }

  read(session: string, turns: number): void {
    if (!this.#open || turns <= (this.here.get().get(session) ?? 0)) return;
    this.here.set(new Map(this.here.get()).set(session, turns));
    this.#owed.set(session, turns);
    void this.#tell();
  }

  /** The hub can be reached again: it is told what it could not be told before. */
  retry(): void {
    void this.#tell();
  }

  close(): void {
    this.#open = false;
    this.#owed.clear();
    this.here.set(new Map());
  }

  async #tell(): Promise<void> {
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (const [session, turns] of this.#owed) {
        try {
          await this.#api.markRead(session, turns);
        } catch (error) {
          // It is told again when the connection is back; what the hub refuses would be refused again.
          if (error instanceof Unreachable) return;
        }
        if (this.#owed.get(session) === turns) this.#owed.delete(session);
      }
    } finally {
      this.#telling = false;
    }
    if (this.#owed.size > 0 && this.#open) void this.#tell();
  }
}
