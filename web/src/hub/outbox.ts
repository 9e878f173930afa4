import type { CommandBody, CommandRequest, CommandState, ErrorCode } from "../protocol/generated";
import { mint } from "./ids";
import type { HubSocket } from "./socket";
import { Store } from "./store";

/** A command of this device that the lists do not show yet. */
export interface Sent {
  request: CommandRequest;
  /** When it was made here, by this device's clock. */
  atMs: number;
  /** `here`: only on this device. `acked`: on the hub's disk. `refused`: the hub did not take it. */
  phase: "here" | "acked" | "refused";
  state: CommandState | null;
  error: ErrorCode | null;
}

const PREFIX = "towline.outbox.";

/** Keeps every command until the hub has it on disk: across reconnects, and across reloads of the page. */
export class Outbox {
  readonly sent = new Store<ReadonlyMap<string, Sent>>(new Map());
  readonly #socket: HubSocket;
  readonly #device: string;
  readonly #storage: Storage | null;

  constructor(socket: HubSocket, device: string, storage: Storage | null) {
    this.#socket = socket;
    this.#device = device;
    this.#storage = storage;
  }

  /** Sends again what was not acknowledged when the page went away. */
  start(): void {
    if (!this.#storage) return;
    const keys = Array.from({ length: this.#storage.length }, (_, at) => this.#storage?.key(at) ?? "");
    for (const key of keys.filter((name) => name.startsWith(PREFIX)).sort()) {
      const kept = read(this.#storage.getItem(key));
      if (!kept || kept.device !== this.#device) {
        this.#storage.removeItem(key);
        continue;
      }
      this.#put(kept.sent);
      if (kept.sent.phase === "here") void this.#send(kept.sent);
    }
  }

  /** Makes a command of a body and sends it; answers at once with its id. */
  post(host: string, body: CommandBody, ttlMs: number | null = null): string {
    const request: CommandRequest = { id: mint("cmd"), host, ttlMs, body };
    const sent: Sent = { request, atMs: Date.now(), phase: "here", state: null, error: null };
    this.#put(sent);
    void this.#send(sent);
    return request.id;
  }

  /** Takes a command out of view: the lists show it now, or its person has done with it. */
  forget(id: string): void {
    this.#unstore(id);
    if (!this.sent.get().has(id)) return;
    const rest = new Map(this.sent.get());
    rest.delete(id);
    this.sent.set(rest);
  }

  async #send(sent: Sent): Promise<void> {
    const answer = await this.#socket.command(sent.request);
    if (!this.sent.get().has(sent.request.id)) return;
    if (answer.ok) this.#put({ ...sent, phase: "acked", state: answer.ack.state });
    else this.#put({ ...sent, phase: "refused", error: answer.problem.code });
  }

  #put(sent: Sent): void {
    this.sent.set(new Map(this.sent.get()).set(sent.request.id, sent));
    if (sent.phase === "acked") this.#unstore(sent.request.id);
    else {
      try {
        this.#storage?.setItem(PREFIX + sent.request.id, JSON.stringify({ device: this.#device, sent }));
      } catch {
        // No room: it is kept in memory, and its mark says "on this device".
      }
    }
  }

  #unstore(id: string): void {
    try {
      this.#storage?.removeItem(PREFIX + id);
    } catch {
      // Storage that can no longer be reached holds nothing that could be sent.
    }
  }
}

function read(text: string | null): { device: string; sent: Sent } | null {
  try {
    const kept = JSON.parse(text ?? "null") as { device: string; sent: Sent } | null;
    return kept && typeof kept.sent.request.id === "string" ? kept : null;
  } catch {
    return null;
  }
}
