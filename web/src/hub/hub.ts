import type { Attachment, CommandBody, ErrorCode, Me } from "../protocol/generated";
import { KEEP_MS, carries } from "../machines/queue";
import { FileRoom } from "../session/files/files";
import { Opener } from "../session/opener";
import { isHeld } from "../session/participants";
import { Openers } from "../session/openers";
import { Api, ApiError } from "./api";
import { Feed, NO_ROWS, type Rows } from "./feed";
import { Fresh } from "./fresh";
import { Kept } from "./kept";
import { Drafts, wipe } from "./local";
import { Reading } from "./marks";
import { Outbox, type Sent } from "./outbox";
import { PollingWire } from "./polling";
import { HubSocket, type Wire } from "./socket";
import { Store } from "./store";
import { browserTiming, pauseMs } from "./timing";
import { Wishes } from "./wishes";

/** Whether this page may talk to the hub at all. */
export type Phase = "starting" | "unreachable" | "shut" | "ready" | "unpaired";

/** Why the hub did not do a thing; null when it did. */
export type Refusal = ErrorCode | "unreachable" | null;

/** How often a page that is refused looks whether it may come in again, in milliseconds. */
const KNOCK_MS = 5_000;
/** Under what name it is kept whose words are kept here: the id of this device. */
const ENROLMENT = "device";
/** What was taken back here before anybody had let it run: the lists say the same of what was refused. */
const TOOK_BACK = "took.";

/** Everything that talks to the hub, made once per page and taken down once. */
export class Hub {
  readonly phase = new Store<Phase>("starting");
  readonly me = new Store<Me | null>(null);
  readonly rows = new Store<Rows>(NO_ROWS);
  readonly sent = new Store<ReadonlyMap<string, Sent>>(new Map());
  /** What is being taken back at the hub, or was not taken back. */
  readonly wishes = new Store<ReadonlyMap<string, ErrorCode | null>>(new Map());
  readonly api = new Api();
  readonly files = new FileRoom(this.api);
  readonly kept = new Kept();
  readonly fresh = new Fresh();
  /** Whether single keys do something on this device. */
  readonly keys = new Store(true);
  readonly drafts = new Drafts(this.kept);
  readonly reading = new Reading(this.api);
  readonly socket: HubSocket;
  readonly #openers: Openers;
  #feed: Feed | null = null;
  #outbox: Outbox | null = null;
  #wishes: Wishes | null = null;
  #down: (() => void)[] = [];
  #attempt = 0;
  #stopped = false;
  readonly #begun: Promise<void>;

  constructor() {
    this.#begun = this.kept.start();
    this.socket = new HubSocket({
      dial: () => new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/connect`) as Wire,
      poll: () => new PollingWire(),
      enrolled: () => this.#enrolled(),
      online: () => navigator.onLine,
      seen: () => document.visibilityState === "visible",
      client: "towline-web",
    });
    this.#openers = new Openers((session) => {
      const opener = new Opener(session, this.api, this.socket);
      void opener.open();
      return opener;
    }, this.rows);
    this.api.onUnauthenticated = () => this.unpair();
  }

  /** Finds out who this device is, then opens the socket, the lists and the outbox. */
  async start(): Promise<void> {
    try {
      await this.#begun;
      this.keys.set(this.kept.get("keys") !== "off");
      if (this.#stopped) return;
      const me = await this.api.me();
      if (this.#stopped) return;
      this.me.set(me);
      this.#run(me);
      this.phase.set("ready");
    } catch (error) {
      if (this.#stopped || this.phase.get() === "unpaired") return;
      // Who is not known here has gone through `onUnauthenticated`; of whoever may not even ask who it is nothing is kept either. All
      // else passes: a device that asked too often, or a machine that lets nobody in for now, has lost no word.
      if (error instanceof ApiError && error.problem.code === "forbidden") {
        this.unpair();
        return;
      }
      this.phase.set(isShut(error) ? "shut" : "unreachable");
      this.#attempt += 1;
      const pause = Math.max(500, pauseMs(Math.min(this.#attempt, 4), Math.random()));
      this.#down.push(browserTiming.after(pause, () => void this.start()));
    }
  }

  /** The hub's clock, in Unix milliseconds. */
  now(): number {
    return Date.now() + this.#skewMs;
  }

  /** Sends a command to the host that owns a thing, to be kept for it so long if that was chosen; answers at once with the command's id. */
  post(host: string, body: CommandBody, keepMs: number | null = null, retryOf: string | null = null): string {
    return this.#outbox?.post(host, body, keepMs ?? this.#keepMs(host, body), null, retryOf) ?? "";
  }

  #keepMs(host: string, body: CommandBody): number | null {
    const away = this.rows.get().host.get(host)?.presence !== "online";
    return away && carries(body.kind) ? KEEP_MS : null;
  }

  /** Switches single keys on or off on this device: they get in the way of some who speak or have a tremor. */
  setKeys(on: boolean): void {
    if (on) this.kept.remove("keys");
    else this.kept.set("keys", "off");
    this.keys.set(on);
  }

  forget(command: string): void {
    this.#outbox?.forget(command);
  }

  /** Takes back a command of any device that has not begun: from this device, or from the hub, however long that takes; `wishes` says how that stands. */
  withdraw(command: string): void {
    const row = this.rows.get().command.get(command);
    if (row && isHeld(row) && this.rows.get().device.has(row.sender.device)) this.kept.set(TOOK_BACK + command, "");
    if (!this.#outbox?.withdraw(command)) this.#wishes?.add(command);
  }

  /** The messages that were taken back here before anybody had let them run. */
  tookBack(): ReadonlySet<string> {
    return new Set(this.kept.keys(TOOK_BACK).map((key) => key.slice(TOOK_BACK.length)));
  }

  /** Changes the words of a message that waits at the hub, wherever it was sent from; answers why that was refused, or null. */
  changeWords(command: string, text: string): Promise<Refusal> {
    return this.#refusal(() => this.api.editCommand(command, { text, ttlMs: null }));
  }

  /** Lets a message wait at the hub so long from now on. */
  keepFor(command: string, ttlMs: number): Promise<Refusal> {
    return this.#refusal(() => this.api.editCommand(command, { text: null, ttlMs }));
  }

  /** Puts a message that waits at the hub in front of another one; null puts it at the end. */
  moveBefore(command: string, before: string | null): Promise<Refusal> {
    return this.#refusal(() => this.api.moveCommand(command, { before }));
  }

  /** Lets a prompt of a participant run that waits for this account, as it was when it was shown; answers why that was refused, or null. */
  release(command: string, updatedAtMs: number): Promise<Refusal> {
    return this.#refusal(() => this.api.release(command, updatedAtMs));
  }

  async #refusal(act: () => Promise<unknown>): Promise<Refusal> {
    try {
      await act();
      return null;
    } catch (error) {
      return error instanceof ApiError ? error.problem.code : "unreachable";
    }
  }

  /** What was sent from here under an id, with everything that belonged to it; null for what other devices sent. */
  whole(command: string): CommandBody | null {
    return this.#outbox?.whole(command) ?? null;
  }

  /** Changes a message that no host has begun with; at the hub, another one takes its place, if it can still be taken back. */
  rewrite(command: string, host: string, body: CommandBody): void {
    if (this.#outbox?.edit(command, body)) return;
    this.#outbox?.post(host, body, this.#keepMs(host, body), command);
  }

  /** Puts a message with its files into what is being written for a chat (`new` for one that is to be begun), behind what stands there. */
  redraft(session: string, text: string, attachments: readonly Attachment[]): void {
    this.drafts.add(session, text);
    this.files.of(session).adopt(attachments);
  }

  openSession(session: string): Opener {
    return this.#openers.take(session);
  }

  /** Nobody looks at a chat any more; what works in it is followed on. */
  leaveSession(session: string, opener: Opener): void {
    this.#openers.leave(session, opener);
  }

  /** Fetches the lists anew: something that they show is not there. */
  refresh(): void {
    void this.#feed?.refresh();
  }

  /** This device is not enrolled any more: nothing of its account stays here (W-119). */
  unpair(): void {
    if (this.phase.get() === "unpaired") return;
    const device = this.me.get()?.device;
    const kept = this.kept.stored(ENROLMENT);
    if (device !== undefined && kept !== null && kept !== device) {
      this.#over();
      return;
    }
    this.stop();
    wipe();
    this.phase.set("unpaired");
  }

  /**
   * Another tab has signed out or been paired anew, while this one slept or had no network: what this one shows and holds is of an earlier
   * enrolment, and what is kept by now is not its own. It begins from nothing, as whoever this browser is now.
   */
  #over(): void {
    if (this.#stopped) return;
    this.stop();
    this.phase.set("starting");
    location.reload();
  }

  /** The one way down. */
  stop(): void {
    this.#stopped = true;
    this.socket.stop();
    this.files.stop();
    this.#openers.stop();
    this.#feed?.stop();
    // What is still posted or typed has nowhere to go, and above all not into storage that is about to be wiped: screens write
    // down what was typed when they are taken away, which is later than this.
    this.#outbox?.stop();
    this.#outbox = null;
    this.#wishes?.stop();
    this.#wishes = null;
    this.kept.close();
    for (const undo of this.#down) undo();
    this.#down = [];
    this.reading.close();
    this.rows.set(NO_ROWS);
    this.sent.set(new Map());
    this.wishes.set(new Map());
    this.me.set(null);
  }

  #skewMs = 0;

  #run(me: Me): void {
    const feed = new Feed(this.api, this.socket, me.account);
    const outbox = new Outbox(this.socket, me.device, this.kept);
    const wishes = new Wishes(this.socket, me.device, this.kept);
    outbox.onKeptBack = (id, why) => wishes.say(id, why);
    this.#feed = feed;
    this.#outbox = outbox;
    this.#wishes = wishes;
    this.kept.set(ENROLMENT, me.device);
    const tidy = (): void => {
      const { command } = feed.rows.get();
      for (const [id, sent] of outbox.sent.get()) if (sent.phase === "acked" && command.has(id)) outbox.forget(id);
      if (feed.rows.get().ready)
        wishes.tidy(
          (id) => command.get(id)?.state ?? (outbox.sent.get().has(id) ? "queued" : undefined),
          (id) => command.get(id)?.turn ?? null,
          (id, turn) => {
            const { session, host } = command.get(id) ?? {};
            if (session && host) outbox.post(host, { kind: "cancel_turn", session, turn });
          },
        );
      if (feed.rows.get().ready) for (const id of this.tookBack()) if (!command.has(id)) this.kept.remove(TOOK_BACK + id);
      if (feed.rows.get().ready) outbox.tidy((id) => !["succeeded", "cancelled", undefined].includes(command.get(id)?.state));
    };
    this.#down.push(
      feed.rows.watch(() => {
        this.rows.set(feed.rows.get());
        tidy();
      }),
      outbox.sent.watch(() => {
        this.sent.set(outbox.sent.get());
        tidy();
      }),
      wishes.open.watch(() => {
        this.wishes.set(wishes.open.get());
        tidy();
      }),
      this.socket.welcome.watch(() => {
        const welcome = this.socket.welcome.get();
        if (!welcome) return;
        if (welcome.account !== me.account || welcome.device !== me.device) {
          this.#over();
          return;
        }
        this.#skewMs = welcome.hubAtMs - Date.now();
        // The hub may have been updated while it was away.
        void this.fresh.look();
      }),
      this.kept.watch((key) => {
        if (key === ENROLMENT && this.kept.get(key) !== me.device) this.#over();
      }),
      this.socket.connection.watch(() => {
        const connection = this.socket.connection.get();
        if (connection.state === "stopped" && connection.why === "auth") this.unpair();
        // Because of the device's rights, or because the machine lets nobody in.
        if (connection.state === "stopped" && connection.why === "forbidden") void this.#enrolled().catch(() => {});
        if (connection.state === "live") this.reading.retry();
      }),
      // A part of this page is gone from the hub: so is its build.
      listen(window, "vite:preloadError", () => void this.fresh.look()),
      listen(window, "online", () => {
        this.socket.nudge();
        this.files.wake();
      }),
      // The browser says that the network went: the socket may not know yet, and its sign must not say "live" for long.
      listen(window, "offline", () => this.socket.nudge()),
      listen(window, "pageshow", () => this.socket.nudge()),
      listen(document, "visibilitychange", () => {
        if (document.visibilityState === "visible") this.socket.nudge();
      }),
    );
    this.socket.start();
    outbox.start();
    wishes.start();
    void feed.start();
  }

  /** The machine lets no device in that is not on it: nothing is shown of what may have changed, and it is asked now and then. */
  #shut(): void {
    if (this.phase.get() !== "ready") return;
    this.socket.stop("forbidden");
    this.phase.set("shut");
    const knock = (): void => {
      this.api.me().then(
        () => location.reload(),
        () => this.#down.push(browserTiming.after(KNOCK_MS, knock)),
      );
    };
    this.#down.push(browserTiming.after(KNOCK_MS, knock));
  }

  async #enrolled(): Promise<boolean> {
    try {
      await this.api.me();
      return true;
    } catch (error) {
      // Whether the device is still enrolled is not known where the hub does not answer.
      if (!(error instanceof ApiError)) throw error;
      if (isShut(error)) this.#shut();
      return error.problem.code !== "unauthenticated";
    }
  }
}

/** Whether remote access is switched off. */
function isShut(error: unknown): boolean {
  return error instanceof ApiError && error.problem.code === "remote_access_disabled";
}

function listen(target: EventTarget, event: string, call: () => void): () => void {
  target.addEventListener(event, call);
  return () => target.removeEventListener(event, call);
}
