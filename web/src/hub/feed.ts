import type { Approval, Command, Device, Host, Participant, Project, ReadMark, Rule, Session } from "../protocol/generated";
import { type Fact, parseFact } from "../session/fact";
import type { Api } from "./api";
import type { HubSocket, Subscription } from "./socket";
import { Store } from "./store";
import { type Timing, browserTiming, pauseMs } from "./timing";

/** The account's lists; maps are replaced, never changed. */
export interface Rows {
  ready: boolean;
  host: ReadonlyMap<string, Host>;
  project: ReadonlyMap<string, Project>;
  session: ReadonlyMap<string, Session>;
  command: ReadonlyMap<string, Command>;
  approval: ReadonlyMap<string, Approval>;
  device: ReadonlyMap<string, Device>;
  /** How many turns of a session have been read, on any device. */
  read_mark: ReadonlyMap<string, ReadMark>;
  /** What was allowed for longer than once. */
  rule: ReadonlyMap<string, Rule>;
  /** Who takes part in the chats of this account, and in those of others that this account takes part in. */
  participant: ReadonlyMap<string, Participant>;
  /** Who took part as long as this page knows: what they said still has their name. */
  former: ReadonlyMap<string, Participant>;
}

export const NO_ROWS: Rows = {
  ready: false,
  host: new Map(),
  project: new Map(),
  session: new Map(),
  command: new Map(),
  approval: new Map(),
  device: new Map(),
  read_mark: new Map(),
  rule: new Map(),
  participant: new Map(),
  former: new Map(),
};

/** The lists with some facts taken in. */
export function fold(rows: Rows, facts: readonly Fact[]): Rows {
  const fresh: Partial<Record<keyof Rows, Map<string, unknown>>> = {};
  for (const fact of facts) {
    if (fact.type === "turn" || fact.type === "item" || fact.type === "delta") continue;
    const map = (fresh[fact.type] ??= new Map<string, unknown>(rows[fact.type]));
    if (fact.type === "participant" && fact.value === null && map.has(fact.key)) (fresh.former ??= new Map<string, unknown>(rows.former)).set(fact.key, map.get(fact.key));
    if (fact.value === null) map.delete(fact.key);
    else map.set(fact.key, fact.value);
  }
  return { ...rows, ...fresh } as Rows;
}

/** Keeps the lists: a snapshot over HTTP, then the feed from exactly its offset on. */
export class Feed {
  readonly rows = new Store<Rows>(NO_ROWS);
  readonly #api: Api;
  readonly #socket: HubSocket;
  readonly #stream: string;
  readonly #timing: Timing;
  #subscription: Subscription | null = null;
  #stopTimer: () => void = () => {};
  #stopped = false;
  #attempt = 0;

  constructor(api: Api, socket: HubSocket, account: string, timing: Timing = browserTiming) {
    this.#api = api;
    this.#socket = socket;
    this.#stream = `accounts/${account}/feed`;
    this.#timing = timing;
  }

  async start(): Promise<void> {
    this.#stopTimer();
    try {
      const lists = await this.#api.lists();
      if (this.#stopped) return;
      this.rows.set({ ...fold(NO_ROWS, facts(lists.facts)), ready: true });
      this.#subscription = this.#socket.subscribe(this.#stream, lists.offset, {
        batch: (messages) => {
          // Only now: a hub that gives the lists and not their feed is not to be asked for them twice a second.
          this.#attempt = 0;
          this.rows.set(fold(this.rows.get(), facts(messages)));
        },
        ended: () => this.#again(),
      });
    } catch {
      this.#again();
    }
  }

  /** Takes the lists anew, and follows from there: what is not in them any more goes. */
  async refresh(): Promise<void> {
    if (this.#stopped || this.#subscription === null) return;
    this.#subscription.close();
    this.#subscription = null;
    await this.start();
  }

  stop(): void {
    this.#stopped = true;
    this.#stopTimer();
    this.#subscription?.close();
    this.#subscription = null;
  }

  #again(): void {
    if (this.#stopped) return;
    this.#subscription = null;
    this.#attempt += 1;
    this.#stopTimer = this.#timing.after(pauseMs(this.#attempt, this.#timing.random()), () => void this.start());
  }
}

function facts(messages: readonly unknown[]): Fact[] {
  return messages.map(parseFact).filter((fact) => fact !== null);
}
