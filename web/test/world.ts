import { HubSocket, type SocketOptions, type Wire } from "../src/hub/socket";
import type { Timing } from "../src/hub/timing";
import type { ClientFrame, ServerFrame } from "../src/protocol/generated";

/** Time that passes when it is told to. */
export class ManualTime implements Timing {
  #now = 1_000_000;
  #timers: { at: number; call: () => void }[] = [];
  chance = 0.5;

  now = (): number => this.#now;
  random = (): number => this.chance;

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#now + ms, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.at;
      next.call();
    }
    this.#now = end;
  }

  get waiting(): number {
    return this.#timers.length;
  }
}

/** One end of a socket, played by the test. */
export class FakeWire implements Wire {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: (() => void) | null = null;
  said: ClientFrame[] = [];
  closed = false;

  send(text: string): void {
    if (this.closed) throw new Error("a closed socket was used");
    this.said.push(JSON.parse(text) as ClientFrame);
  }

  close(): void {
    this.closed = true;
  }

  say(frame: ServerFrame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  welcome(account = "acc", device = "dev"): void {
    this.onopen?.();
    this.say({ type: "welcome", protocol: 1, capabilities: [], account, device, host: null, hubAtMs: 5, heartbeatMs: 15_000, version: "0" });
  }

  all<K extends ClientFrame["type"]>(type: K): Extract<ClientFrame, { type: K }>[] {
    return this.said.filter((frame): frame is Extract<ClientFrame, { type: K }> => frame.type === type);
  }
}

/** A client whose sockets are played by the test. */
export function world(options: Partial<SocketOptions> = {}): { socket: HubSocket; wires: FakeWire[]; time: ManualTime; wire(): FakeWire } {
  const wires: FakeWire[] = [];
  const time = new ManualTime();
  const socket = new HubSocket({
    dial: () => {
      const wire = new FakeWire();
      wires.push(wire);
      return wire;
    },
    enrolled: () => Promise.resolve(true),
    timing: time,
    client: "test",
    ...options,
  });
  const wire = (): FakeWire => {
    const last = wires.at(-1);
    if (!last) throw new Error("nothing was dialled");
    return last;
  };
  return { socket, wires, time, wire };
}

/** An offset of the first epoch. */
export function offset(byte: number): string {
  return `${"0".repeat(16)}_${String(byte).padStart(16, "0")}`;
}
