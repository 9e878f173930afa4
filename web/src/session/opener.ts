import { type Api, ApiError } from "../hub/api";
import type { HubSocket, Subscription } from "../hub/socket";
import { Store } from "../hub/store";
import { type Timing, browserTiming, pauseMs } from "../hub/timing";
import { type Fact, parseFact } from "./fact";
import { Transcript, isFinal } from "./fold";

/** What a screen knows of an opened session. `version` grows with every change of the transcript. */
export interface Opened {
  phase: "loading" | "open" | "missing" | "failed";
  transcript: Transcript;
  version: number;
  /** Whether there are older pages: none, one more, being fetched, or it failed. */
  older: "none" | "more" | "loading" | "failed";
}

/** Opens a session from its end, follows its journal and the streams of its running turns, and pages backwards. */
export class Opener {
  readonly state: Store<Opened>;
  readonly #session: string;
  readonly #api: Api;
  readonly #socket: HubSocket;
  readonly #timing: Timing;
  readonly #turns = new Map<string, Subscription>();
  #journal: Subscription | null = null;
  #before: string | null = null;
  #transcript = new Transcript();
  #stopTimer: () => void = () => {};
  #stopDrawing: () => void = () => {};
  #drawing = false;
  #attempt = 0;
  #round = 0;
  #looking = false;
  #stopped = false;

  constructor(session: string, api: Api, socket: HubSocket, timing: Timing = browserTiming) {
    this.#session = session;
    this.#api = api;
    this.#socket = socket;
    this.#timing = timing;
    this.state = new Store<Opened>({ phase: "loading", transcript: this.#transcript, version: 0, older: "none" });
  }

  /** Fetches the newest page and follows from exactly there; what was shown stays until the new page is here. */
  async open(): Promise<void> {
    if (this.#stopped) return;
    this.#release();
    this.#round += 1;
    const round = this.#round;
    try {
      const page = await this.#api.transcript(this.#session, null);
      if (this.#stopped || round !== this.#round) return;
      this.#attempt = 0;
      this.#transcript = new Transcript();
      for (const fact of facts([...page.facts, ...page.open])) this.#transcript.journal(fact);
      this.#before = page.before;
      this.#journal = this.#socket.subscribe(`sessions/${this.#session}/journal`, page.tail, {
        batch: (messages) => {
          for (const fact of facts(messages)) this.#transcript.journal(fact);
          this.#join();
          this.#changed();
        },
        ended: (reason) => {
          this.#journal = null;
          if (reason === "deleted" || reason === "forbidden") this.#say({ phase: "missing" });
          else this.#again();
        },
      });
      this.#join();
      this.#say({ phase: "open", transcript: this.#transcript, older: page.before === null ? "none" : "more" });
    } catch (error) {
      if (this.#stopped || round !== this.#round) return;
      if (error instanceof ApiError && error.problem.status === 404) this.#say({ phase: "missing" });
      else {
        if (this.state.get().phase !== "open") this.#say({ phase: "failed" });
        this.#again();
      }
    }
  }

  /**
   * Looks again for a session that was not there. On a slow line a look takes its time: another one before its answer is here would put
   * that answer aside.
   */
  async look(): Promise<void> {
    if (this.#looking || this.state.get().phase !== "missing") return;
    this.#looking = true;
    await this.open();
    this.#looking = false;
  }

  /** Fetches the next older page. */
  async more(): Promise<void> {
    const before = this.#before;
    const { older, phase } = this.state.get();
    if (before === null || older === "loading" || phase !== "open") return;
    const round = this.#round;
    this.#say({ older: "loading" });
    try {
      const page = await this.#api.transcript(this.#session, before);
      if (this.#stopped || round !== this.#round) return;
      this.#transcript.older(facts(page.facts));
      this.#before = page.before;
      this.#say({ older: page.before === null ? "none" : "more" });
    } catch {
      if (!this.#stopped && round === this.#round) this.#say({ older: "failed" });
    }
  }

  /** The one way down. */
  stop(): void {
    this.#stopped = true;
    this.#release();
    this.#stopDrawing();
  }

  /** Joins the stream of each running turn at its low-water offset; leaves those of turns that are over. */
  #join(): void {
    for (const [id, turn] of this.#transcript.turns()) {
      const joined = this.#turns.get(id);
      if (isFinal(turn.state)) {
        joined?.close();
        this.#turns.delete(id);
      } else if (!joined && turn.lowWater !== null && turn.state !== "queued") {
        this.#turns.set(id, this.#follow(id, turn.lowWater));
      }
    }
  }

  #follow(turn: string, from: string): Subscription {
    return this.#socket.subscribe(`turns/${turn}/live`, from, {
      batch: (messages) => {
        for (const fact of facts(messages)) this.#transcript.live(turn, fact);
        this.#changed();
      },
      ended: (reason) => {
        // Closed or deleted: the turn is over and the journal says, or is about to say, how.
        if (reason === "reset" || reason === "failed") this.#again();
      },
    });
  }

  #again(): void {
    if (this.#stopped) return;
    this.#attempt += 1;
    this.#stopTimer();
    this.#stopTimer = this.#timing.after(pauseMs(this.#attempt, this.#timing.random()), () => void this.open());
  }

  #release(): void {
    this.#stopTimer();
    this.#journal?.close();
    this.#journal = null;
    for (const subscription of this.#turns.values()) subscription.close();
    this.#turns.clear();
  }

  /** Draws at most once per frame of the screen, however many messages arrive. */
  #changed(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    const draw = (): void => {
      this.#stopDrawing();
      this.#drawing = false;
      this.#say({});
    };
    // A page in the background gets no frames; the clock draws there, a few times a second.
    const stopClock = this.#timing.after(100, draw);
    const frame = typeof requestAnimationFrame === "function" ? requestAnimationFrame(draw) : null;
    this.#stopDrawing = () => {
      stopClock();
      if (frame !== null) cancelAnimationFrame(frame);
    };
  }

  #say(change: Partial<Opened>): void {
    const now = this.state.get();
    this.state.set({ ...now, ...change, version: now.version + 1 });
  }
}

function facts(messages: readonly unknown[]): Fact[] {
  return messages.map(parseFact).filter((fact) => fact !== null);
}
