import type { CommandState, ErrorCode } from "../protocol/generated";
import type { Kept } from "./kept";
import { UNSURE } from "./outbox";
import type { HubSocket } from "./socket";
import { Store } from "./store";
import { type Timing, browserTiming, pauseMs } from "./timing";

const PREFIX = "back.";

/**
 * What its person wants back that is at the hub: asked for until the hub has answered, across lost connections and reloads, because whoever
 * has taken something back does not expect it to run.
 */
export class Wishes {
  /** By command: null while it is being taken back, and then why it was not. What was taken back is not in here any more. */
  readonly open = new Store<ReadonlyMap<string, ErrorCode | null>>(new Map());
  readonly #socket: HubSocket;
  readonly #device: string;
  readonly #kept: Kept;
  readonly #timing: Timing;
  readonly #asking = new Set<string>();
  readonly #followed = new Set<string>();
  readonly #pauses = new Set<() => void>();
  #unwatch: () => void = () => {};
  #stopped = false;

  constructor(socket: HubSocket, device: string, kept: Kept, timing: Timing = browserTiming) {
    this.#socket = socket;
    this.#device = device;
    this.#kept = kept;
    this.#timing = timing;
  }

  /** Takes up what an earlier page, or another tab, has asked for. */
  start(): void {
    const take = (key: string): void => {
      if (!key.startsWith(PREFIX)) return;
      const id = key.slice(PREFIX.length);
      const of = this.#kept.get(key);
      if (of === this.#device) this.add(id);
      else if (of !== null) this.#kept.remove(key);
    };
    for (const key of this.#kept.keys(PREFIX)) take(key);
    this.#unwatch = this.#kept.watch(take);
  }

  stop(): void {
    this.#stopped = true;
    this.#unwatch();
    for (const end of [...this.#pauses]) end();
  }

  /** Takes a command back. */
  add(id: string): void {
    if (this.#stopped || this.open.get().get(id) === null) return;
    this.#kept.set(PREFIX + id, this.#device);
    this.say(id, null);
    void this.#ask(id);
  }

  /** What is known of one: null while it is being taken back, or why it was not. */
  say(id: string, why: ErrorCode | null): void {
    if (!this.#stopped) this.open.set(new Map(this.open.get()).set(id, why));
  }

  /**
   * Lets go of what was taken back; `state` says where a command stands, undefined where nothing is known of it. What its machine has taken
   * and not begun is to be taken back there, which `follow` is called for once its turn is known, and once. What has begun after all was not taken back: that is known
   * as long as this page is.
   */
  tidy(state: (id: string) => CommandState | undefined, turnOf: (id: string) => string | null = () => null, follow: (id: string, turn: string) => void = () => {}): void {
    const next = new Map(this.open.get());
    for (const [id, why] of this.open.get()) {
      if (why !== null || this.#asking.has(id)) continue;
      const now = state(id);
      if (now === "succeeded" || now === "indeterminate") next.set(id, "command_not_cancellable");
      else if (now === "running") {
        const turn = this.#followed.has(id) ? null : turnOf(id);
        if (turn !== null) {
          this.#followed.add(id);
          follow(id, turn);
        }
      } else if (now !== "queued" && now !== "leased") next.delete(id);
    }
    if ([...next].some(([id, why]) => this.open.get().get(id) !== why) || next.size < this.open.get().size) this.open.set(next);
  }

  async #ask(id: string): Promise<void> {
    if (this.#asking.has(id)) return;
    this.#asking.add(id);
    for (let attempt = 1; !this.#stopped; attempt += 1) {
      const answer = await this.#socket.cancelCommand(id);
      if (this.#stopped) return;
      if (!answer.ok && UNSURE.has(answer.problem.code)) {
        await this.#pause(attempt);
        continue;
      }
      this.#kept.remove(PREFIX + id);
      this.#asking.delete(id);
      // Where its machine has it already, the lists say how far that is.
      const listed = answer.ok || answer.problem.code === "not_found" || answer.problem.code === "command_not_cancellable";
      this.say(id, listed ? null : answer.problem.code);
      return;
    }
  }

  #pause(attempt: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        stop();
        this.#pauses.delete(end);
        resolve();
      };
      const stop = this.#timing.after(Math.max(500, pauseMs(attempt, this.#timing.random())), end);
      this.#pauses.add(end);
    });
  }
}
