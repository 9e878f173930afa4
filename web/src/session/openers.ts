import type { Store } from "../hub/store";
import type { Rows } from "../hub/feed";
import { type Timing, browserTiming } from "../hub/timing";
import type { Opener } from "./opener";

/** Most chats that are followed behind the one that is looked at; each is two or three subscriptions of one socket. */
const MOST = 4;
/** How long a chat that has come to rest is still followed, in milliseconds: whoever goes back and forth opens nothing anew. */
const REST_MS = 30_000;

/**
 * The chats that are followed. One that is left while its agent works is followed on, so that it is there at once, whole, when somebody
 * comes back; one at rest is let go. Nothing is lost by that: it is opened from its end again, and followed from exactly there.
 */
export class Openers {
  readonly #make: (session: string) => Opener;
  readonly #rows: Store<Rows>;
  readonly #timing: Timing;
  /** Those that nobody looks at, the one that was left first first. */
  readonly #behind = new Map<string, { opener: Opener; stopClock: (() => void) | null }>();
  readonly #unwatch: () => void;
  #stopped = false;

  constructor(make: (session: string) => Opener, rows: Store<Rows>, timing: Timing = browserTiming) {
    this.#make = make;
    this.#rows = rows;
    this.#timing = timing;
    this.#unwatch = rows.watch(() => this.#look());
  }

  /** Opens a chat, or gives the one that is followed already. */
  take(session: string): Opener {
    const known = this.#behind.get(session);
    if (!known) return this.#make(session);
    known.stopClock?.();
    this.#behind.delete(session);
    return known.opener;
  }

  /** Nobody looks at a chat any more. */
  leave(session: string, opener: Opener): void {
    if (this.#stopped || this.#behind.has(session) || opener.state.get().phase !== "open" || !this.#works(session)) {
      opener.stop();
      return;
    }
    this.#behind.set(session, { opener, stopClock: null });
    const first = [...this.#behind.keys()][0];
    if (this.#behind.size > MOST && first !== undefined) this.#letGo(first);
  }

  /** How many are followed though nobody looks. */
  get behind(): number {
    return this.#behind.size;
  }

  stop(): void {
    this.#stopped = true;
    this.#unwatch();
    for (const session of [...this.#behind.keys()]) this.#letGo(session);
  }

  #look(): void {
    for (const [session, kept] of this.#behind) {
      if (this.#works(session)) {
        kept.stopClock?.();
        kept.stopClock = null;
      } else if (this.#rows.get().ready && !this.#rows.get().session.has(session)) {
        this.#letGo(session);
      } else {
        kept.stopClock ??= this.#timing.after(REST_MS, () => this.#letGo(session));
      }
    }
  }

  #letGo(session: string): void {
    const kept = this.#behind.get(session);
    this.#behind.delete(session);
    kept?.stopClock?.();
    kept?.opener.stop();
  }

  #works(session: string): boolean {
    const row = this.#rows.get().session.get(session);
    if (!row) return false;
    return row.activity === "working" || row.activity === "needs_input" || row.activity === "starting" || row.backgroundTasks > 0;
  }
}
