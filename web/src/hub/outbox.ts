import type { CommandBody, CommandRequest, CommandState, ErrorCode } from "../protocol/generated";
import { mint } from "./ids";
import type { Kept } from "./kept";
import type { HubSocket } from "./socket";
import { Store } from "./store";
import { type Timing, browserTiming, pauseMs } from "./timing";

/** A command of this device that the lists do not show yet. */
export interface Sent {
  request: CommandRequest;
  /** When it was made here, by this device's clock. */
  atMs: number;
  /** `here`: only on this device. `acked`: on the hub's disk. `refused`: the hub did not take it. */
  phase: "here" | "acked" | "refused";
  state: CommandState | null;
  /** Why it was refused; of one that is `here`: what the hub said instead of taking or refusing it. */
  error: ErrorCode | null;
  /** Whether it has been on its way: the hub may have it, though it has not said so. */
  tried?: boolean;
  /** Its person wants it back, and whether the hub has it is not known. */
  withdrawn?: boolean;
  /** The command whose place it takes: that one is taken back first, and only if it can be. */
  after?: string | null;
}

const PREFIX = "outbox.";
const WHOLE = "whole.";

/** Answers that leave open whether the hub has the command: it is sent again under its id, which is the same command for ever (W-011). */
export const UNSURE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["store_broken", "internal", "rate_limited", "shutting_down", "resync_required"]);

/** Keeps every command until the hub has it on disk: across reconnects, reloads, killed browsers and days without a network. */
export class Outbox {
  readonly sent = new Store<ReadonlyMap<string, Sent>>(new Map());
  /** What was to be taken back is at the hub: null when that has asked its machine, or why it was not taken back. */
  onKeptBack: (id: string, why: ErrorCode | null) => void = () => {};
  readonly #socket: HubSocket;
  readonly #device: string;
  readonly #kept: Kept;
  readonly #timing: Timing;
  readonly #going = new Set<string>();
  /** Words that wait until the older ones of their chat are at the hub. */
  readonly #behind = new Set<string>();
  #down: (() => void)[] = [];
  #stopped = false;

  constructor(socket: HubSocket, device: string, kept: Kept, timing: Timing = browserTiming) {
    this.#socket = socket;
    this.#device = device;
    this.#kept = kept;
    this.#timing = timing;
  }

  /** Sends again what was not acknowledged when the page went away, and what other tabs of this device still hold. */
  start(): void {
    const found = this.#kept.keys(PREFIX).filter((key) => this.#learn(key));
    for (const key of found) void this.#send(key.slice(PREFIX.length));
    this.#down.push(
      this.#kept.watch((key) => {
        if (key.startsWith(PREFIX)) this.#take(key);
      }),
    );
  }

  stop(): void {
    this.#stopped = true;
    for (const undo of this.#down) undo();
    this.#down = [];
  }

  /** Makes a command of a body and sends it; answers at once with its id. */
  post(host: string, body: CommandBody, ttlMs: number | null = null, after: string | null = null, retryOf: string | null = null): string {
    const request: CommandRequest = { id: mint("cmd"), host, ttlMs, ...(retryOf === null ? {} : { retryOf }), body };
    const place = after === null ? undefined : this.sent.get().get(after)?.atMs;
    this.#put({ request, atMs: place ?? Date.now(), phase: "here", state: null, error: null, tried: false, withdrawn: false, after });
    void this.#send(request.id);
    return request.id;
  }

  /** Changes the words of a command that has never been on its way; false for any other. */
  edit(id: string, body: CommandBody): boolean {
    const sent = this.sent.get().get(id);
    if (!sent || sent.phase !== "here" || sent.tried) return false;
    this.#put({ ...sent, request: { ...sent.request, body } });
    this.#socket.abandon(id);
    return true;
  }

  /** Takes a command back; false when it is not here any more, and the hub has to be asked. */
  withdraw(id: string): boolean {
    const sent = this.sent.get().get(id);
    if (!sent || sent.phase === "acked") return false;
    if (sent.phase === "refused" || !sent.tried) this.forget(id);
    else {
      this.#put({ ...sent, withdrawn: true });
      this.#socket.abandon(id);
      void this.#send(id);
    }
    return true;
  }

  /** What this device sent under an id, whole: the lists know only its words. */
  whole(id: string): CommandBody | null {
    const sent = this.sent.get().get(id);
    if (sent) return sent.request.body;
    try {
      return JSON.parse(this.#kept.get(WHOLE + id) ?? "null") as CommandBody | null;
    } catch {
      return null;
    }
  }

  /** Lets go of what nothing can be done with any more; `open` says whether a command waits or can be tried again. */
  tidy(open: (id: string) => boolean): void {
    for (const key of this.#kept.keys(WHOLE)) {
      const id = key.slice(WHOLE.length);
      if (!this.sent.get().has(id) && !open(id)) this.#kept.remove(key);
    }
  }

  /** Takes a command out of view: the lists show it now, or its person has done with it. */
  forget(id: string): void {
    this.#kept.remove(PREFIX + id);
    this.#drop(id);
    this.#socket.abandon(id);
  }

  /**
   * One round after the other until the hub has said what became of it; at most one at a time per command. Words go in the order in which
   * they are shown: what was changed, or what the hub did not take just now, is not overtaken by what was said after it.
   */
  async #send(id: string): Promise<void> {
    if (this.#going.has(id)) return;
    this.#going.add(id);
    for (let attempt = 1; ; attempt += 1) {
      if (this.#overtakes(id)) {
        this.#behind.add(id);
        break;
      }
      if (!(await this.#round(id))) break;
      if (this.sent.get().get(id)?.error) await this.#pause(attempt);
    }
    this.#going.delete(id);
  }

  /** Whether older words of the same chat are still only on this device. Taking something back waits for nothing, and holds nothing up. */
  #overtakes(id: string): boolean {
    const own = this.sent.get().get(id);
    if (!own || own.withdrawn || own.after || !speaks(own)) return false;
    return [...this.sent.get().values()].some((each) => each.phase === "here" && !each.withdrawn && speaks(each) && each.request.body.session === own.request.body.session && before(each, own));
  }

  /** Something has gone out of the way. */
  #next(): void {
    for (const id of [...this.#behind]) {
      if (this.#overtakes(id)) continue;
      this.#behind.delete(id);
      void this.#send(id);
    }
  }

  /** One try; whether there must be another. */
  async #round(id: string): Promise<boolean> {
    const sent = this.sent.get().get(id);
    if (this.#stopped || !sent || sent.phase !== "here") return false;
    const old = sent.withdrawn ? id : sent.after;
    const answer = old ? await this.#socket.cancelCommand(old) : await this.#socket.command(sent.request, () => this.#tried(id));
    const now = this.sent.get().get(id);
    if (this.#stopped || !now || now.phase !== "here") return false;
    // Meanwhile its words were changed, or its person wants it back: what the answer was about is over.
    if (!old && (now.request !== sent.request || now.withdrawn)) return true;
    const code = answer.ok ? null : answer.problem.code;
    if (code !== null && UNSURE.has(code)) {
      this.#put({ ...now, error: code });
      return true;
    }
    // What the hub never had is as good as taken back. What it has handed over already is its machine's to say, which may have begun.
    const gone = answer.ok ? answer.ack.state === "cancelled" : code === "not_found";
    if (now.withdrawn && old === id) {
      if (gone) this.forget(id);
      else {
        this.#put({ ...now, withdrawn: false, phase: "acked", error: null });
        this.onKeptBack(id, code === "command_not_cancellable" ? null : code);
      }
      return false;
    }
    if (old) {
      this.#put(gone ? { ...now, after: null, error: null } : { ...now, phase: "refused", error: code ?? "command_not_cancellable" });
      return gone;
    }
    if (answer.ok) {
      this.#put({ ...now, phase: "acked", state: answer.ack.state, error: null });
      // It was taken back, perhaps before it came: then no list ever shows it.
      if (answer.ack.state === "cancelled") this.forget(id);
    } else this.#put({ ...now, phase: "refused", error: answer.problem.code });
    return false;
  }

  #pause(attempt: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#timing.after(Math.max(500, pauseMs(attempt, this.#timing.random())), resolve);
      this.#down.push(() => {
        stop();
        resolve();
      });
    });
  }

  /** It is about to be on its way: written down first, so that no reload forgets it. */
  #tried(id: string): void {
    const sent = this.sent.get().get(id);
    if (sent && !sent.tried) this.#put({ ...sent, tried: true });
  }

  /** Takes in what is kept under a key: from before, or from another tab, which sends it too; for the hub both are one command. */
  #take(key: string): void {
    if (this.#learn(key)) void this.#send(key.slice(PREFIX.length));
  }

  /** Whether there is something to send under the key. */
  #learn(key: string): boolean {
    const id = key.slice(PREFIX.length);
    const kept = read(this.#kept.get(key));
    if (!kept) {
      // Another tab has it at the hub, or its person took it back there.
      if (this.sent.get().get(id)?.phase !== "acked") {
        this.#drop(id);
        this.#socket.abandon(id);
      }
      return false;
    }
    if (kept.device !== this.#device) {
      this.#kept.remove(key);
      return false;
    }
    const known = this.sent.get().get(id);
    if (known?.phase === "acked") return false;
    const same = known && JSON.stringify(known.request) === JSON.stringify(kept.sent.request);
    this.sent.set(new Map(this.sent.get()).set(id, same ? { ...kept.sent, request: known.request } : kept.sent));
    if (known && (!same || kept.sent.withdrawn)) this.#socket.abandon(id);
    return true;
  }

  #put(sent: Sent): void {
    if (this.#stopped) return;
    this.sent.set(new Map(this.sent.get()).set(sent.request.id, sent));
    const key = PREFIX + sent.request.id;
    if (sent.phase === "acked") {
      const { kind } = sent.request.body;
      if (kind === "send_prompt" || kind === "start_session" || kind === "fork_session") this.#kept.set(WHOLE + sent.request.id, JSON.stringify(sent.request.body));
      this.#kept.remove(key);
    } else this.#kept.set(key, JSON.stringify({ device: this.#device, sent }));
    this.#next();
  }

  #drop(id: string): void {
    if (!this.sent.get().has(id)) return;
    const rest = new Map(this.sent.get());
    rest.delete(id);
    this.sent.set(rest);
    this.#next();
  }
}

/** Whether it says something in its chat, or begins it: what has an order that its person sees. */
function speaks({ request: { body } }: Sent): boolean {
  return body.kind === "send_prompt" || body.kind === "start_session" || body.kind === "fork_session";
}

/** Whether it stands before another one on the screen. */
function before(a: Sent, b: Sent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.request.id < b.request.id);
}

function read(text: string | null): { device: string; sent: Sent } | null {
  try {
    const kept = JSON.parse(text ?? "null") as { device: string; sent: Sent } | null;
    return kept && typeof kept.sent.request.id === "string" ? kept : null;
  } catch {
    return null;
  }
}

/** The words that wait on this device, oldest first: to be shown where the hub, and with it everything else, is out of reach. */
export function waitingWords(kept: Kept): string[] {
  return kept.keys(PREFIX).flatMap((key) => {
    const body = read(kept.get(key))?.sent.request.body;
    return body && (body.kind === "send_prompt" || body.kind === "start_session" || body.kind === "fork_session") && body.content.text ? [body.content.text] : [];
  });
}
