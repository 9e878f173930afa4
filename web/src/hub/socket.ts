import {
  type ClientFrame,
  CLOSE,
  type CommandAck,
  type CommandRequest,
  type EndReason,
  LIMITS,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  type Problem,
  type ServerFrame,
} from "../protocol/generated";
import { type Stopped, reaction } from "./closing";
import { Store } from "./store";
import { SEEN_PAUSE_MS, type Timing, browserTiming, pauseMs } from "./timing";

/** Where the connection stands; never "live" on an assumption. */
export type Connection =
  | { state: "idle" }
  | { state: "connecting" }
  /** `slow`: through requests of their own, since something on the way takes no socket. */
  | { state: "live"; slow: boolean }
  /** `blocked`: the hub answers over HTTP, and something on the way takes no socket. */
  | { state: "waiting"; retryAtMs: number; blocked: boolean }
  | { state: "offline" }
  | { state: "stopped"; why: Stopped };

/** The part of `WebSocket` that is used. */
export interface Wire {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  onerror: (() => void) | null;
  send(text: string): void;
  close(): void;
}

export interface Feeder {
  /** Messages in order, without gap or repeat; the position is kept only after this returned. */
  batch(messages: unknown[], upToDate: boolean): void;
  /** The subscription is over and will not come back by itself. */
  ended(reason: EndReason): void;
}

export interface Subscription {
  close(): void;
}

/** What a command came to: acknowledged (on disk at the hub), or refused. */
export type Answered = { ok: true; ack: Ack } | { ok: false; problem: Problem };
export type Ack = Pick<CommandAck, "command" | "state" | "expiresAtMs">;

export type Welcome = Extract<ServerFrame, { type: "welcome" }>;

export interface SocketOptions {
  dial(): Wire;
  /** The way around for a network that takes no socket; without it the connection stays `blocked` there. */
  poll?(): Wire;
  /**
   * Asks over HTTP whether this device is still enrolled; a socket cannot tell a 401 from a lost network. Rejects when the hub does not
   * answer there either.
   */
  enrolled(): Promise<boolean>;
  online?(): boolean;
  /** Whether somebody may be looking; without it nobody is, and pauses grow long. */
  seen?(): boolean;
  timing?: Timing;
  client: string;
}

/** Longest wait for the socket to open and to be welcomed, in milliseconds. */
const GREETING_MS = 15_000;
/** Longest wait for a sign of life when the page comes back to the foreground, in milliseconds. */
const WAKE_MS = 4_000;
/** Most commands that wait for their ack at once. */
const MAX_PENDING = 200;

interface Wanted {
  sub: number;
  stream: string;
  from: string;
  feeder: Feeder;
}

/** After how many tries in a row a socket that is not to be had counts as blocked: once may be a hub that just starts. */
const BARRED = 3;
/** How often a socket is tried for while the way around is taken, in milliseconds. */
const SOCKET_AGAIN_MS = 60_000;

interface Pending {
  req: number;
  frame: (req: number) => ClientFrame;
  /** The command that it sends; null for anything else. */
  command: string | null;
  sent: boolean;
  settle(answer: Answered): void;
  stopClock: () => void;
}

/** One WebSocket per client: it dials, greets, watches for silence, and takes every subscription up where it was left. */
export class HubSocket {
  readonly connection = new Store<Connection>({ state: "idle" });
  readonly welcome = new Store<Welcome | null>(null);

  readonly #options: SocketOptions;
  readonly #timing: Timing;
  readonly #wanted = new Set<Wanted>();
  readonly #bySub = new Map<number, Wanted>();
  readonly #pending = new Set<Pending>();
  #wire: Wire | null = null;
  #greeted = false;
  #attempt = 0;
  /** How often in a row the hub answered over HTTP while the socket was not to be had. */
  #barred = 0;
  #number = 0;
  /** Whether the wire is the way around. */
  #slow = false;
  #trial: Wire | null = null;
  #stopTimer: () => void = () => {};
  #stopTrials: () => void = () => {};

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#timing = options.timing ?? browserTiming;
  }

  /** Begins to dial, unless it has. */
  start(): void {
    const { state } = this.connection.get();
    if (state === "idle" || state === "stopped") this.#dial();
  }

  /** The one way down: nothing is dialled, sent or called after this. */
  stop(why: Stopped = "closed"): void {
    this.#drop();
    this.#wanted.clear();
    for (const pending of [...this.#pending]) pending.stopClock();
    this.#pending.clear();
    this.connection.set({ state: "stopped", why });
  }

  /** The page came back, or the network came or went: dial now, or find out now whether the path still lives. */
  nudge(): void {
    const { state } = this.connection.get();
    if (state === "waiting" || state === "offline") {
      this.#attempt = 0;
      this.#dial();
    } else if (state === "live") {
      this.#say({ type: "ping", req: this.#next() });
      this.#watch(WAKE_MS);
      if (this.#slow) this.#try();
    }
  }

  /** Wants a stream from a position on, across reconnects. */
  subscribe(stream: string, from: string, feeder: Feeder): Subscription {
    const wanted: Wanted = { sub: 0, stream, from, feeder };
    this.#wanted.add(wanted);
    if (this.#greeted) this.#ask(wanted);
    return {
      close: () => {
        if (!this.#wanted.delete(wanted)) return;
        if (this.#bySub.delete(wanted.sub) && this.#greeted) this.#say({ type: "unsubscribe", sub: wanted.sub });
      },
    };
  }

  /**
   * Sends a command until it is answered; across reconnects it is the same command, because its id is. `going` is called before each time
   * that it is on its way.
   */
  command(command: CommandRequest, going: () => void = () => {}): Promise<Answered> {
    return this.#request((req) => {
      going();
      return { type: "command", req, command };
    }, command.id);
  }

  /** Does not send a command again; who waits for its answer hears that nobody knows. What is on its way already is not called back. */
  abandon(command: string): void {
    for (const pending of [...this.#pending]) {
      if (pending.command !== command) continue;
      pending.stopClock();
      this.#pending.delete(pending);
      pending.settle({ ok: false, problem: problem("resync_required", 503) });
    }
  }

  /** Takes back a command that has not started. */
  cancelCommand(command: string): Promise<Answered> {
    return this.#request((req) => ({ type: "cancel_command", req, command }));
  }

  #request(frame: Pending["frame"], command: string | null = null): Promise<Answered> {
    return new Promise((settle) => {
      if (this.#pending.size >= MAX_PENDING) {
        settle({ ok: false, problem: problem("queue_full", 429) });
        return;
      }
      const pending: Pending = { req: 0, frame, command, sent: false, settle, stopClock: () => {} };
      this.#pending.add(pending);
      if (this.#greeted) this.#transmit(pending);
    });
  }

  #dial(): void {
    this.#drop();
    if (this.#options.online?.() === false) {
      this.connection.set({ state: "offline" });
      // The browser may be wrong about the network: look again after a while, whatever it says.
      this.#stopTimer = this.#timing.after(LIMITS.silenceMs, () => this.#open());
      return;
    }
    this.#open();
  }

  #open(): void {
    this.connection.set({ state: "connecting" });
    this.#slow = this.#barred >= BARRED && this.#options.poll !== undefined;
    let wire: Wire;
    try {
      wire = this.#slow && this.#options.poll ? this.#options.poll() : this.#options.dial();
    } catch {
      this.#again("backoff");
      return;
    }
    this.#wire = wire;
    this.#watch(GREETING_MS);
    const current = (): boolean => this.#wire === wire;
    wire.onopen = () => {
      if (!current()) return;
      this.#say({ type: "hello", protocolMin: PROTOCOL_MIN, protocolMax: PROTOCOL_MAX, capabilities: [], client: this.#options.client });
    };
    wire.onmessage = (event) => {
      if (current() && typeof event.data === "string") this.#hear(event.data);
    };
    wire.onclose = (event) => {
      if (current()) this.#lost(event.code);
    };
    wire.onerror = () => {};
  }

  #hear(text: string): void {
    let frame: ServerFrame;
    try {
      frame = JSON.parse(text) as ServerFrame;
    } catch {
      return;
    }
    this.#watch(this.#greeted ? LIMITS.silenceMs : GREETING_MS);
    switch (frame.type) {
      case "welcome":
        this.#greet(frame);
        break;
      case "batch": {
        const wanted = this.#bySub.get(frame.sub);
        if (!wanted) break;
        wanted.feeder.batch(frame.messages, frame.upToDate);
        wanted.from = frame.next;
        break;
      }
      case "subscribed": {
        const wanted = this.#bySub.get(frame.sub);
        if (wanted && (wanted.from === "start" || wanted.from === "now")) wanted.from = frame.next;
        break;
      }
      case "ended":
        this.#end(frame.sub, frame.reason);
        break;
      case "ack":
        this.#settle(frame.req, { ok: true, ack: frame });
        break;
      case "error":
        if (frame.req !== null) this.#settle(frame.req, { ok: false, problem: frame.problem });
        else if (frame.sub !== null) this.#end(frame.sub, frame.problem.code === "forbidden" ? "forbidden" : "failed");
        break;
      default:
        // Pongs and heartbeats have done their work by arriving; frames of a later version are not ours to read.
        break;
    }
  }

  #greet(welcome: Welcome): void {
    this.#greeted = true;
    this.#attempt = 0;
    if (this.#slow) this.#stopTrials = this.#timing.after(SOCKET_AGAIN_MS, () => this.#try());
    else this.#barred = 0;
    this.#watch(LIMITS.silenceMs);
    this.welcome.set(welcome);
    // Whoever heard it may have taken everything down: this hub knows the page as somebody else.
    if (!this.#greeted) return;
    for (const wanted of this.#wanted) this.#ask(wanted);
    for (const pending of this.#pending) this.#transmit(pending);
    this.connection.set({ state: "live", slow: this.#slow });
  }

  /** Finds out, beside the way around, whether a socket is to be had again; then everything goes over to it. */
  #try(): void {
    this.#endTrial();
    this.#stopTrials = this.#timing.after(SOCKET_AGAIN_MS, () => this.#try());
    let trial: Wire;
    try {
      trial = this.#options.dial();
    } catch {
      return;
    }
    this.#trial = trial;
    trial.onerror = () => {};
    trial.onopen = () => {
      if (this.#trial !== trial) return;
      this.#barred = 0;
      this.#dial();
    };
  }

  #endTrial(): void {
    const trial = this.#trial;
    this.#trial = null;
    if (!trial) return;
    trial.onopen = null;
    trial.close();
  }

  #ask(wanted: Wanted): void {
    wanted.sub = this.#next();
    this.#bySub.set(wanted.sub, wanted);
    this.#say({ type: "subscribe", sub: wanted.sub, stream: wanted.stream, from: wanted.from });
  }

  #end(sub: number, reason: EndReason): void {
    const wanted = this.#bySub.get(sub);
    if (!wanted) return;
    this.#bySub.delete(sub);
    this.#wanted.delete(wanted);
    wanted.feeder.ended(reason);
  }

  #transmit(pending: Pending): void {
    pending.req = this.#next();
    pending.sent = true;
    pending.stopClock();
    pending.stopClock = this.#timing.after(LIMITS.ackTimeoutMs, () => this.#lost(CLOSE.resync_required));
    this.#say(pending.frame(pending.req));
  }

  #settle(req: number, answer: Answered): void {
    for (const pending of this.#pending) {
      if (pending.req !== req || !pending.sent) continue;
      // A hub that goes down or is overtaken has not refused: the same command is sent again, by its id.
      if (!answer.ok && (answer.problem.code === "shutting_down" || answer.problem.code === "resync_required")) return;
      pending.stopClock();
      this.#pending.delete(pending);
      pending.settle(answer);
      return;
    }
  }

  #lost(code: number): void {
    const greeted = this.#greeted;
    this.#drop();
    const then = reaction(code);
    if (then.do === "stop") {
      this.stop(then.why);
      return;
    }
    if (then.forget) {
      for (const pending of [...this.#pending].filter((each) => each.sent)) {
        this.#pending.delete(pending);
        const refused = code === CLOSE.too_large ? problem("body_too_large", 413) : problem("bad_request", 400);
        pending.settle({ ok: false, problem: refused });
      }
    }
    if (greeted) {
      this.#again(then.pause);
      return;
    }
    this.connection.set({ state: "connecting" });
    void this.#options.enrolled().then(
      (enrolled) => {
        if (this.connection.get().state !== "connecting" || this.#wire) return;
        this.#barred += 1;
        if (enrolled) this.#again(then.pause);
        else this.stop("auth");
      },
      () => {
        // On the way around this is a hub or a network that went, not one that takes a socket now.
        if (!this.#slow) this.#barred = 0;
        if (this.connection.get().state === "connecting" && !this.#wire) this.#again(then.pause);
      },
    );
  }

  #again(pause: "backoff" | "soon"): void {
    const longestMs = this.#options.seen?.() ? SEEN_PAUSE_MS : LIMITS.maxReconnectMs;
    const wait = pauseMs(pause === "soon" ? 1 : this.#attempt, this.#timing.random(), longestMs);
    this.#attempt += 1;
    if (this.#options.online?.() === false) this.connection.set({ state: "offline" });
    else this.connection.set({ state: "waiting", retryAtMs: this.#timing.now() + wait, blocked: this.#barred >= BARRED });
    this.#stopTimer();
    this.#stopTimer = this.#timing.after(wait, () => this.#open());
  }

  #watch(ms: number): void {
    this.#stopTimer();
    this.#stopTimer = this.#timing.after(ms, () => this.#lost(CLOSE.resync_required));
  }

  #drop(): void {
    this.#stopTimer();
    this.#stopTrials();
    this.#endTrial();
    this.#greeted = false;
    this.#bySub.clear();
    for (const pending of this.#pending) pending.stopClock();
    const wire = this.#wire;
    this.#wire = null;
    if (!wire) return;
    wire.onopen = null;
    wire.onmessage = null;
    wire.onclose = null;
    wire.close();
  }

  #next(): number {
    this.#number += 1;
    return this.#number;
  }

  #say(frame: ClientFrame): void {
    try {
      this.#wire?.send(JSON.stringify(frame));
    } catch {
      // A socket that cannot send says so by closing; what was said is said again after the next welcome.
    }
  }
}

function problem(code: Problem["code"], status: number): Problem {
  return { status, code, title: "", detail: null, hint: "", requestId: null };
}
