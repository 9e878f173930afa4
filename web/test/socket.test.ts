import { describe, expect, it } from "vitest";
import { reaction } from "../src/hub/closing";
import { pauseMs } from "../src/hub/timing";
import type { CommandRequest } from "../src/protocol/generated";
import { type FakeWire, offset, world } from "./world";

const command: CommandRequest = { id: "cmd_1", host: "dev_1", ttlMs: null, body: { kind: "send_prompt", session: "ses_1", content: { text: "hello", attachments: [] } } };

function collect(): { got: unknown[]; ends: string[]; feeder: { batch(messages: unknown[]): void; ended(reason: string): void } } {
  const got: unknown[] = [];
  const ends: string[] = [];
  return { got, ends, feeder: { batch: (messages) => void got.push(...messages), ended: (reason) => void ends.push(reason) } };
}

/** A stream of numbers; its offsets are their places. */
function feed(wire: FakeWire, all: readonly number[], upTo: number): void {
  for (const { sub, from } of wire.all("subscribe")) {
    const at = from === "start" ? 0 : Number(from.slice(17));
    for (let place = at; place < upTo; place += 1) wire.say({ type: "batch", sub, messages: [all[place]], next: offset(place + 1), upToDate: false });
  }
}

describe("a lost connection", () => {
  it("is taken up at the exact offset, wherever it was cut: nothing is missing, nothing comes twice", () => {
    const all = Array.from({ length: 30 }, (_, n) => n);
    for (let cut = 0; cut <= all.length; cut += 1) {
      const { socket, wire, time } = world();
      const { got, feeder } = collect();
      socket.start();
      socket.subscribe("s", "start", feeder);
      wire().welcome();
      feed(wire(), all, cut);
      const old = wire();
      old.onclose?.({ code: 1006 });
      // What the old socket still says is not heard.
      old.say({ type: "batch", sub: 1, messages: [99], next: offset(99), upToDate: true });
      time.pass(1_000);
      wire().welcome();
      feed(wire(), all, all.length);
      expect(got).toEqual(all);
    }
  });

  it("is noticed by silence, within 45 s", () => {
    const { socket, wires, wire, time } = world();
    socket.start();
    wire().welcome();
    time.pass(44_000);
    wire().say({ type: "heartbeat", hubAtMs: 1 });
    time.pass(44_000);
    expect(socket.connection.get().state).toBe("live");
    time.pass(1_001);
    expect(socket.connection.get().state).toBe("waiting");
    time.pass(1_000);
    expect(wires.length).toBe(2);
    expect(wires[0]?.closed).toBe(true);
  });

  it("is not called live before the hub has greeted", () => {
    const { socket, wire } = world();
    socket.start();
    wire().onopen?.();
    expect(socket.connection.get().state).toBe("connecting");
    wire().welcome();
    expect(socket.connection.get().state).toBe("live");
  });

  it("is dialled at once when the page comes back, and doubted when it seemed to live", () => {
    const { socket, wires, wire, time } = world();
    socket.start();
    wire().welcome();
    socket.nudge();
    expect(wire().all("ping")).toHaveLength(1);
    time.pass(4_001);
    expect(socket.connection.get().state).toBe("waiting");
    socket.nudge();
    expect(wires).toHaveLength(2);
  });

  it("is called offline within seconds when the browser says that the network went, and comes back with it", () => {
    let online = true;
    const { socket, wires, wire, time } = world({ online: () => online });
    socket.start();
    wire().welcome();
    online = false;
    socket.nudge();
    time.pass(4_001);
    expect(socket.connection.get().state).toBe("offline");
    const dialled = wires.length;
    online = true;
    socket.nudge();
    expect(wires).toHaveLength(dialled + 1);
    wire().welcome();
    expect(socket.connection.get().state).toBe("live");
  });

  it("is back within 5 s of its network on a page that is looked at, however long it was away; a hidden one waits longer", async () => {
    for (const seen of [true, false]) {
      const enrolled = (): Promise<boolean> => Promise.reject(new Error("no network"));
      const { socket, wire, time } = world({ seen: () => seen, enrolled });
      time.chance = 0.999;
      const pause = (): number => {
        const now = socket.connection.get();
        return now.state === "waiting" ? now.retryAtMs - time.now() : Number.NaN;
      };
      socket.start();
      wire().welcome();
      for (let tries = 0; tries < 12; tries += 1) {
        wire().onclose?.({ code: 1006 });
        await Promise.resolve();
        await Promise.resolve();
        const waits = pause();
        expect(waits <= 5_000, `seen: ${seen}, try ${tries}, ${waits} ms`).toBe(seen || tries < 4);
        time.pass(waits);
      }
    }
  });

  it("waits longer each time, never over 30 s, with jitter over the whole span", () => {
    expect(pauseMs(0, 0.999)).toBeLessThanOrEqual(500);
    expect(pauseMs(50, 0.999)).toBeLessThanOrEqual(30_000);
    expect(pauseMs(50, 0.999)).toBeGreaterThan(29_000);
    expect(pauseMs(50, 0)).toBe(0);
  });
});

describe("a command", () => {
  it("is sent again by the same id until it is acknowledged, and then no more", async () => {
    const { socket, wire, time } = world();
    socket.start();
    const answer = socket.command(command);
    expect(wire().said).toEqual([]);
    wire().welcome();
    expect(wire().all("command").map((frame) => frame.command)).toEqual([command]);
    wire().onclose?.({ code: 1006 });
    time.pass(1_000);
    wire().welcome();
    const [again] = wire().all("command");
    expect(again?.command).toEqual(command);
    wire().say({ type: "ack", req: again?.req ?? 0, command: "cmd_1", state: "queued", expiresAtMs: 9 });
    expect(await answer).toMatchObject({ ok: true, ack: { state: "queued" } });
    wire().onclose?.({ code: 4503 });
    time.pass(1_000);
    wire().welcome();
    expect(wire().all("command")).toEqual([]);
  });

  it("that the hub refuses says why; one that a hub could not take while going down is sent again", async () => {
    const { socket, wire, time } = world();
    socket.start();
    const answer = socket.command(command);
    wire().welcome();
    const problem = { status: 503, code: "shutting_down", title: "", detail: null, hint: "", requestId: null } as const;
    wire().say({ type: "error", req: wire().all("command")[0]?.req ?? 0, sub: null, problem });
    wire().onclose?.({ code: 4503 });
    time.pass(1_000);
    wire().welcome();
    wire().say({ type: "error", req: wire().all("command")[0]?.req ?? 0, sub: null, problem: { ...problem, status: 409, code: "command_conflict" } });
    expect(await answer).toMatchObject({ ok: false, problem: { code: "command_conflict" } });
  });

  it("that broke the frame limit is not sent again", async () => {
    const { socket, wire, time } = world();
    socket.start();
    const answer = socket.command(command);
    wire().welcome();
    wire().onclose?.({ code: 4413 });
    expect(await answer).toMatchObject({ ok: false, problem: { code: "body_too_large" } });
    time.pass(1_000);
    wire().welcome();
    expect(wire().all("command")).toEqual([]);
  });

  it("without an ack in 30 s is sent on a new connection", () => {
    const { socket, wires, wire, time } = world();
    socket.start();
    void socket.command(command);
    wire().welcome();
    time.pass(29_000);
    wire().say({ type: "heartbeat", hubAtMs: 1 });
    time.pass(1_001);
    time.pass(1_000);
    expect(wires.length).toBeGreaterThan(1);
  });
});

describe("subscriptions", () => {
  it("are routed by number alone, and numbers are never used again", () => {
    const { socket, wire } = world();
    const [one, two] = [collect(), collect()];
    socket.start();
    const first = socket.subscribe("sessions/ses_1/journal", "start", one.feeder);
    wire().welcome();
    const [{ sub } = { sub: 0 }] = wire().all("subscribe");
    first.close();
    expect(wire().all("unsubscribe")).toEqual([{ type: "unsubscribe", sub }]);
    socket.subscribe("sessions/ses_1/journal", "start", two.feeder);
    wire().say({ type: "batch", sub, messages: [1], next: offset(1), upToDate: true });
    expect([one.got, two.got]).toEqual([[], []]);
    expect(new Set(wire().all("subscribe").map((frame) => frame.sub)).size).toBe(2);
  });

  it("that ended are told so once and not asked for again", () => {
    const { socket, wire, time } = world();
    const { ends, feeder } = collect();
    socket.start();
    socket.subscribe("turns/trn_1/live", "start", feeder);
    wire().welcome();
    wire().say({ type: "ended", sub: wire().all("subscribe")[0]?.sub ?? 0, reason: "closed", next: null });
    wire().onclose?.({ code: 1006 });
    time.pass(1_000);
    wire().welcome();
    expect(ends).toEqual(["closed"]);
    expect(wire().all("subscribe")).toEqual([]);
  });

  it("survive ten thousand openings and closings without a trace", () => {
    const { socket, wire, time } = world();
    socket.start();
    wire().welcome();
    for (let n = 0; n < 10_000; n += 1) socket.subscribe("s", "now", collect().feeder).close();
    wire().onclose?.({ code: 1006 });
    time.pass(1_000);
    wire().welcome();
    expect(wire().all("subscribe")).toEqual([]);
    expect(time.waiting).toBe(1);
  });
});

describe("an end", () => {
  it("by an expired credential stops for good; other codes have their own fixed reactions", () => {
    const { socket, wires, wire, time } = world();
    socket.start();
    wire().welcome();
    wire().onclose?.({ code: 4401 });
    time.pass(600_000);
    expect(socket.connection.get()).toEqual({ state: "stopped", why: "auth" });
    expect(wires).toHaveLength(1);
    expect(time.waiting).toBe(0);
    expect(reaction(4403)).toEqual({ do: "stop", why: "forbidden" });
    expect(reaction(4426)).toEqual({ do: "stop", why: "upgrade" });
    for (const code of [1000, 1001, 1006, 1012, 4999]) expect(reaction(code).do).toBe("redial");
  });

  it("says that sockets are blocked when the hub answers over HTTP and no socket is to be had, and not when nothing answers", async () => {
    for (const [enrolled, blocked] of [
      [() => Promise.resolve(true), true],
      [() => Promise.reject(new Error("no network")), false],
    ] as const) {
      const { socket, wire, wires, time } = world({ enrolled });
      const dialled = (): void => {
        for (const before = wires.length; wires.length === before; ) time.pass(100);
      };
      socket.start();
      for (let attempt = 0; attempt < 3; attempt += 1) {
        if (attempt > 0) dialled();
        wire().onclose?.({ code: 1006 });
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      expect(socket.connection.get()).toMatchObject({ state: "waiting", blocked });
      dialled();
      wire().welcome();
      expect(socket.connection.get().state).toBe("live");
    }
  });

  it("before the greeting asks over HTTP whether the device is still enrolled", async () => {
    const { socket, wire } = world({ enrolled: () => Promise.resolve(false) });
    socket.start();
    wire().onclose?.({ code: 1006 });
    await Promise.resolve();
    await Promise.resolve();
    expect(socket.connection.get()).toEqual({ state: "stopped", why: "auth" });
  });

  it("hears garbage and frames of a later version without harm", () => {
    const { socket, wire } = world();
    socket.start();
    wire().welcome();
    wire().onmessage?.({ data: "{" });
    wire().onmessage?.({ data: new ArrayBuffer(2) });
    wire().onmessage?.({ data: '{"type":"from_the_future"}' });
    wire().onmessage?.({ data: '{"type":"batch","sub":77,"messages":[],"next":"x","upToDate":true}' });
    expect(socket.connection.get().state).toBe("live");
  });
});
