import { type ClientFrame, CLOSE, type CommandAck, type EndReason, type Me, PROTOCOL_MAX, type Problem, type ServerFrame } from "../protocol/generated";
import type { Wire } from "./socket";
import { type Timing, browserTiming } from "./timing";

/**
 * Long-polls held at once: a browser opens six connections to one server over HTTP/1.1, and the others are for commands and pages.
 * Further subscriptions are looked at on a timer.
 */
const HELD = 3;
/** Longest wait for an answer that the hub gives at once, in milliseconds. */
const ANSWER_MS = 15_000;
/** Longest wait for a long-poll, in milliseconds; the hub answers after 25 s at the latest. */
const HOLD_MS = 35_000;
/** How soon a stream is asked for again that has just brought something: its next words come together, a few times a second. */
const PACE_MS = 120;
/** How often a stream is looked at that cannot be waited for, in milliseconds: while something moves, and while all is quiet. */
const LOOK_MS = 500;
const QUIET_MS = 5_000;
/** How long things count as moving after a stream brought something or somebody sent something, in milliseconds. */
const MOVING_MS = 15_000;
/** A long-poll that fails after so many milliseconds was held by the hub and cut off on the way. */
const CUT_MS = 1_000;

/** What an answer means for one stream: an offset of another epoch, or one that is not kept any more, begins anew. */
const ENDS: Readonly<Record<number, EndReason>> = { 400: "reset", 403: "forbidden", 404: "deleted", 410: "reset" };

interface Following {
  sub: number;
  stop: AbortController;
}

export interface PollingOptions {
  fetch?: typeof fetch;
  timing?: Timing;
}

/**
 * The hub's socket, played over plain HTTP for a network that lets none through: every subscription waits in a long-poll, and where
 * something on the way cuts those off too, it is looked at on a timer. What is said and heard is the same, some moments later.
 */
export class PollingWire implements Wire {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: (() => void) | null = null;

  readonly #fetch: typeof fetch;
  readonly #timing: Timing;
  readonly #following = new Map<number, Following>();
  readonly #gone = new AbortController();
  #me: Me | null = null;
  #hubAtMs = 0;
  #held = 0;
  #movedAtMs: number;
  /** Ends the pauses that are under way. */
  readonly #pauses = new Set<() => void>();
  /** Whether a long-poll was cut off on its way: then nothing is held any more. */
  #cut = false;
  /** The last request about commands: one goes after the other, as on a socket, so that a prompt is not overtaken by the next, or by its being taken back. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: PollingOptions = {}) {
    this.#fetch = options.fetch ?? ((...asked) => fetch(...asked));
    this.#timing = options.timing ?? browserTiming;
    this.#movedAtMs = this.#timing.now();
    void this.#open();
  }

  send(text: string): void {
    if (this.#gone.signal.aborted) throw new Error("a closed wire was used");
    const frame = JSON.parse(text) as ClientFrame;
    switch (frame.type) {
      case "hello":
        this.#welcome();
        break;
      case "subscribe":
        void this.#follow(frame.sub, frame.stream, frame.from);
        break;
      case "unsubscribe":
        this.#following.get(frame.sub)?.stop.abort();
        this.#following.delete(frame.sub);
        this.#say({ type: "unsubscribed", sub: frame.sub });
        break;
      case "command":
        this.#inTurn(() => this.#request(frame.req, "POST", "/v1/commands", frame.command));
        break;
      case "cancel_command":
        this.#inTurn(() => this.#request(frame.req, "DELETE", `/v1/commands/${encodeURIComponent(frame.command)}`));
        break;
      case "ping":
        void this.#ping(frame.req);
        break;
    }
  }

  close(): void {
    this.#gone.abort();
    for (const { stop } of this.#following.values()) stop.abort();
    this.#following.clear();
    for (const end of this.#pauses) end();
  }

  async #open(): Promise<void> {
    const me = await this.#ask("GET", "/v1/me", ANSWER_MS);
    if (!me?.ok) return void this.#refused(me);
    this.#me = (await json<Me>(me)) ?? null;
    if (this.#me === null) return this.#lose();
    this.onopen?.();
  }

  #welcome(): void {
    if (this.#me === null) return;
    const { account, device, host, version } = this.#me;
    this.#say({ type: "welcome", protocol: PROTOCOL_MAX, capabilities: [], account, device, host, hubAtMs: this.#hubAtMs, heartbeatMs: HOLD_MS, version });
  }

  /** Reads a stream from a position on, until it ends or nobody wants it. */
  async #follow(sub: number, stream: string, from: string): Promise<void> {
    const following: Following = { sub, stop: new AbortController() };
    this.#following.set(sub, following);
    const wanted = (): boolean => !this.#gone.signal.aborted && this.#following.get(sub) === following;
    let offset = from === "start" ? "-1" : from;
    let caughtUp = false;
    while (wanted()) {
      const hold = caughtUp && !this.#cut && this.#held < HELD;
      const beganAtMs = this.#timing.now();
      const answer = await this.#look(following, stream, offset, hold);
      if (!wanted()) return;
      const tookMs = this.#timing.now() - beganAtMs;
      if (hold && (answer === null || answer.status >= 500) && tookMs > CUT_MS) {
        // It was held for a while and then cut off: something on the way does not wait so long.
        this.#cut = true;
        continue;
      }
      if (answer?.status === 429) {
        await this.#pause(QUIET_MS);
        continue;
      }
      if (!answer?.ok) {
        const problem = answer === null ? undefined : await json<Partial<Problem>>(answer);
        if (!wanted()) return;
        const reason = typeof problem?.code === "string" ? ENDS[answer?.status ?? 0] : undefined;
        return reason === undefined ? this.#lose(closeOf(problem)) : this.#end(sub, reason, null);
      }
      const messages = answer.status === 200 ? await json<unknown[]>(answer) : [];
      if (!wanted()) return;
      if (messages === undefined) return this.#lose();
      const next = answer.headers.get("stream-next-offset") ?? offset;
      caughtUp = answer.status === 204 || answer.headers.get("stream-up-to-date") === "true";
      const moved = messages.length > 0;
      if (moved) this.#movedAtMs = this.#timing.now();
      if (moved || next !== offset) this.#say({ type: "batch", sub, messages, next, upToDate: caughtUp });
      else this.#say({ type: "heartbeat", hubAtMs: this.#hubAtMs });
      offset = next;
      if (answer.headers.get("stream-closed") === "true") return this.#end(sub, "closed", next);
      if (!caughtUp) continue;
      if (hold) {
        if (moved) await this.#pause(PACE_MS);
        else if (tookMs < CUT_MS) await this.#pause(LOOK_MS);
      } else if (this.#cut || this.#held >= HELD) {
        await this.#pause(this.#timing.now() - this.#movedAtMs < MOVING_MS ? LOOK_MS : QUIET_MS);
      }
    }
  }

  /** One look at a stream; with `hold` the hub answers when there is something, or nothing for a while. */
  async #look(following: Following, stream: string, offset: string, hold: boolean): Promise<Response | null> {
    const url = `/v1/stream/${stream}?offset=${encodeURIComponent(offset)}${hold ? "&live=long-poll" : ""}`;
    if (!hold) return this.#ask("GET", url, ANSWER_MS, undefined, following.stop.signal);
    this.#held += 1;
    try {
      return await this.#ask("GET", url, HOLD_MS, undefined, following.stop.signal);
    } finally {
      this.#held -= 1;
    }
  }

  #end(sub: number, reason: EndReason, next: string | null): void {
    this.#following.delete(sub);
    this.#say({ type: "ended", sub, reason, next });
  }

  #inTurn(request: () => Promise<void>): void {
    this.#last = this.#last.then(() => (this.#gone.signal.aborted ? undefined : request()));
  }

  async #request(req: number, method: string, path: string, body?: unknown): Promise<void> {
    const answer = await this.#ask(method, path, ANSWER_MS, body);
    if (answer === null) return this.#lose();
    const said = await json<CommandAck & Problem>(answer);
    // A page of some proxy is no answer of the hub: the command is sent again, by its id.
    if (said === undefined || (!answer.ok && typeof said.code !== "string")) return this.#lose();
    if (answer.status === 401) return this.#lose(closeOf(said));
    // What was asked for shows up in the streams: whoever pauses looks now.
    this.#movedAtMs = this.#timing.now();
    for (const end of this.#pauses) end();
    if (answer.ok) this.#say({ type: "ack", req, command: said.command, state: said.state, expiresAtMs: said.expiresAtMs });
    else this.#say({ type: "error", req, sub: null, problem: said });
  }

  async #ping(req: number): Promise<void> {
    const answer = await this.#ask("GET", "/v1/me", ANSWER_MS);
    if (answer?.ok) this.#say({ type: "pong", req, hubAtMs: this.#hubAtMs });
    else await this.#refused(answer);
  }

  /** Asks, for a limited time; null when no answer came. */
  async #ask(method: string, path: string, limitMs: number, body?: unknown, stop?: AbortSignal): Promise<Response | null> {
    const limit = new AbortController();
    const abort = (): void => limit.abort();
    const stopClock = this.#timing.after(limitMs, abort);
    for (const signal of [this.#gone.signal, stop]) {
      if (signal?.aborted) abort();
      signal?.addEventListener("abort", abort);
    }
    try {
      const answer = await this.#fetch(path, {
        method,
        credentials: "same-origin",
        cache: "no-store",
        redirect: "error",
        headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) },
        body: body === undefined ? null : JSON.stringify(body),
        signal: limit.signal,
      });
      const at = Date.parse(answer.headers.get("date") ?? "");
      this.#hubAtMs = Number.isNaN(at) ? this.#timing.now() : at;
      return answer;
    } catch {
      return null;
    } finally {
      stopClock();
      for (const signal of [this.#gone.signal, stop]) signal?.removeEventListener("abort", abort);
    }
  }

  async #refused(answer: Response | null): Promise<void> {
    this.#lose(closeOf(answer === null ? undefined : await json<Partial<Problem>>(answer)));
  }

  /** The path is lost, as when a socket breaks. */
  #lose(code = 1006): void {
    if (this.#gone.signal.aborted) return;
    this.close();
    this.onclose?.({ code });
  }

  #say(frame: ServerFrame): void {
    if (!this.#gone.signal.aborted) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        stopClock();
        this.#pauses.delete(end);
        resolve();
      };
      const stopClock = this.#timing.after(ms, end);
      this.#pauses.add(end);
    });
  }
}

/** What a refusal means for the whole wire. Only the hub's own word says that this device is not enrolled any more: others on the way ask for logins too. */
function closeOf(problem: Partial<Problem> | undefined): number {
  return problem?.code === "unauthenticated" ? CLOSE.auth_expired : 1006;
}

/** The body of an answer; undefined when it is none that the hub sends. */
async function json<T>(answer: Response): Promise<T | undefined> {
  try {
    return (await answer.json()) as T;
  } catch {
    return undefined;
  }
}
