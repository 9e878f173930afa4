import { describe, expect, it } from "vitest";
import { PollingWire } from "../src/hub/polling";
import { CLOSE, type ServerFrame } from "../src/protocol/generated";
import { FakeWire, ManualTime, offset, world } from "./world";

type Answer = { status?: number; body?: unknown; text?: string; headers?: Record<string, string> } | "never" | "lost";

/** A hub over HTTP, played by the test: answers by path, each once, the last one for ever. */
class FakeHub {
  readonly asked: string[] = [];
  readonly time = new ManualTime();
  readonly said: ServerFrame[] = [];
  readonly closed: number[] = [];
  readonly #answers = new Map<string, Answer[]>();
  readonly #waiting: { cut(): void; answer(answer: Response): void }[] = [];

  on(path: string, ...answers: Answer[]): this {
    this.#answers.set(path, answers);
    return this;
  }

  wire(): PollingWire {
    const wire = new PollingWire({ fetch: this.#fetch as typeof fetch, timing: this.time });
    wire.onmessage = ({ data }) => this.said.push(JSON.parse(String(data)) as ServerFrame);
    wire.onclose = ({ code }) => this.closed.push(code);
    return wire;
  }

  /** Lets everything happen that does not wait for the clock. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
  }

  /** Cuts off what hangs. */
  cut(): void {
    for (const each of this.#waiting.splice(0)) each.cut();
  }

  /** Answers what hangs. */
  answer(answer: Answer): void {
    for (const each of this.#waiting.splice(0)) each.answer(made(answer));
  }

  all<T extends ServerFrame["type"]>(type: T): Extract<ServerFrame, { type: T }>[] {
    return this.said.filter((frame): frame is Extract<ServerFrame, { type: T }> => frame.type === type);
  }

  #fetch = (path: string, init: RequestInit): Promise<Response> => {
    this.asked.push(`${init.method} ${path}`);
    const answers = this.#answers.get(path) ?? this.#answers.get(path.split("?")[0] ?? "") ?? ["lost"];
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === "lost" || answer === undefined) return Promise.reject(new TypeError("no network"));
    if (answer === "never") {
      return new Promise((resolve, reject) => {
        this.#waiting.push({ cut: () => reject(new TypeError("cut off")), answer: resolve });
        init.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      });
    }
    return Promise.resolve(made(answer));
  };
}

function made(answer: Answer): Response {
  if (typeof answer === "string") throw new TypeError(answer);
  const { status = 200, body, text, headers = {} } = answer;
  return new Response(status === 204 ? null : (text ?? JSON.stringify(body)), { status, headers });
}

const ME = { body: { account: "acc", device: "dev", host: "dev_h", version: "1", about: {} }, headers: { date: "Wed, 25 Nov 2026 12:00:00 GMT" } };

function page(messages: unknown[], next: number, more: Record<string, string> = {}): Answer {
  return { body: messages, headers: { "stream-next-offset": offset(next), "stream-up-to-date": "true", ...more } };
}

describe("the way around a network that takes no socket", () => {
  it("greets like a socket, with the hub's clock", async () => {
    const hub = new FakeHub().on("/v1/me", ME);
    const wire = hub.wire();
    wire.onopen = () => wire.send(JSON.stringify({ type: "hello", protocolMin: 1, protocolMax: 1, capabilities: [], client: "t" }));
    await hub.settle();
    expect(hub.all("welcome")).toMatchObject([{ account: "acc", device: "dev", host: "dev_h", version: "1", hubAtMs: Date.parse("2026-11-25T12:00:00Z") }]);
  });

  it("catches up page by page, then waits in a long-poll, and ends with the stream", async () => {
    const first = `/v1/stream/turns/t/live?offset=${offset(3)}`;
    const hub = new FakeHub()
      .on("/v1/me", ME)
      .on(first, page(["a", "b"], 5, { "stream-up-to-date": "false" }))
      .on(`/v1/stream/turns/t/live?offset=${offset(5)}`, page(["c"], 6))
      .on(`/v1/stream/turns/t/live?offset=${offset(6)}&live=long-poll`, page(["d"], 7, { "stream-closed": "true" }));
    const wire = hub.wire();
    await hub.settle();
    wire.send(JSON.stringify({ type: "subscribe", sub: 4, stream: "turns/t/live", from: offset(3) }));
    await hub.settle();
    hub.time.pass(200);
    await hub.settle();
    expect(hub.all("batch").map(({ sub, messages, next, upToDate }) => [sub, messages, next, upToDate])).toEqual([
      [4, ["a", "b"], offset(5), false],
      [4, ["c"], offset(6), true],
      [4, ["d"], offset(7), true],
    ]);
    expect(hub.all("ended")).toEqual([{ type: "ended", sub: 4, reason: "closed", next: offset(7) }]);
    const after = hub.asked.length;
    hub.time.pass(60_000);
    await hub.settle();
    expect(hub.asked, "an ended stream is not asked for").toHaveLength(after);
  });

  it("looks on a timer where long-polls are cut off on their way, and at once when something was sent", async () => {
    const stream = "/v1/stream/accounts/a/feed";
    const hub = new FakeHub()
      .on("/v1/me", ME)
      .on(`${stream}?offset=${offset(0)}`, page([], 0))
      .on(`${stream}?offset=${offset(0)}&live=long-poll`, "never")
      .on("/v1/commands", { body: { command: "cmd", state: "queued", expiresAtMs: 9 } });
    const wire = hub.wire();
    await hub.settle();
    wire.send(JSON.stringify({ type: "subscribe", sub: 1, stream: "accounts/a/feed", from: offset(0) }));
    await hub.settle();
    expect(hub.asked.at(-1)).toContain("live=long-poll");
    hub.time.pass(5_000);
    hub.cut();
    await hub.settle();
    expect(hub.closed).toEqual([]);
    const looks = (): number => hub.asked.filter((each) => each.endsWith(offset(0))).length;
    hub.time.pass(60_000);
    await hub.settle();
    const quiet = looks();
    hub.time.pass(5_000);
    await hub.settle();
    expect(looks()).toBe(quiet + 1);
    wire.send(JSON.stringify({ type: "command", req: 8, command: { id: "cmd" } }));
    await hub.settle();
    expect(hub.all("ack")).toEqual([{ type: "ack", req: 8, command: "cmd", state: "queued", expiresAtMs: 9 }]);
    expect(looks()).toBe(quiet + 2);
    hub.time.pass(500);
    await hub.settle();
    expect(looks()).toBe(quiet + 3);
  });

  it("tells refusals from a lost path, and a revoked device from both", async () => {
    const refused = { status: 409, body: { status: 409, code: "command_conflict", title: "", detail: null, hint: "", requestId: null } };
    const hub = new FakeHub().on("/v1/me", ME).on("/v1/commands", refused, { status: 502, text: "<html>" });
    const wire = hub.wire();
    await hub.settle();
    wire.send(JSON.stringify({ type: "command", req: 1, command: { id: "cmd" } }));
    await hub.settle();
    expect(hub.all("error")).toMatchObject([{ req: 1, problem: { code: "command_conflict" } }]);
    wire.send(JSON.stringify({ type: "command", req: 2, command: { id: "cmd" } }));
    await hub.settle();
    expect(hub.closed, "a proxy's page is no answer").toEqual([1006]);
    expect(() => wire.send("{}")).toThrow();

    const revoked = new FakeHub().on("/v1/me", { status: 401, body: { ...refused.body, status: 401, code: "unauthenticated" } });
    revoked.wire();
    await revoked.settle();
    expect(revoked.closed).toEqual([CLOSE.auth_expired]);
    const gateway = new FakeHub().on("/v1/me", { status: 401, text: "<html>" });
    gateway.wire();
    await gateway.settle();
    expect(gateway.closed, "somebody else's login page").toEqual([1006]);
  });

  it("sends one command after the other, and takes back only what has arrived", async () => {
    const hub = new FakeHub().on("/v1/me", ME).on("/v1/commands", "never").on("/v1/commands/first", { body: { command: "first", state: "cancelled", expiresAtMs: 9 } });
    const wire = hub.wire();
    await hub.settle();
    wire.send(JSON.stringify({ type: "command", req: 1, command: { id: "first" } }));
    wire.send(JSON.stringify({ type: "command", req: 2, command: { id: "second" } }));
    wire.send(JSON.stringify({ type: "cancel_command", req: 3, command: "first" }));
    await hub.settle();
    const asked = (): string[] => hub.asked.filter((each) => each.includes("/v1/commands"));
    expect(asked()).toEqual(["POST /v1/commands"]);
    hub.on("/v1/commands", { body: { command: "second", state: "queued", expiresAtMs: 9 } });
    hub.answer({ body: { command: "first", state: "queued", expiresAtMs: 9 } });
    await hub.settle();
    await hub.settle();
    expect(asked()).toEqual(["POST /v1/commands", "POST /v1/commands", "DELETE /v1/commands/first"]);
    expect(hub.all("ack").map((each) => each.req)).toEqual([1, 2, 3]);
  });

  it("does not take a page of some proxy for the end of a stream", async () => {
    for (const status of [400, 403, 404, 410]) {
      const hub = new FakeHub().on("/v1/me", ME).on("/v1/stream/x", { status, text: "<html>" });
      const wire = hub.wire();
      await hub.settle();
      wire.send(JSON.stringify({ type: "subscribe", sub: 2, stream: "x", from: "start" }));
      await hub.settle();
      expect([hub.all("ended"), hub.closed]).toEqual([[], [1006]]);
    }
  });

  it("says how one stream ended and goes on with the others", async () => {
    for (const [status, reason] of [[403, "forbidden"], [404, "deleted"], [410, "reset"], [400, "reset"]] as const) {
      const hub = new FakeHub().on("/v1/me", ME).on("/v1/stream/x", { status, body: { code: "any" } });
      const wire = hub.wire();
      await hub.settle();
      wire.send(JSON.stringify({ type: "subscribe", sub: 2, stream: "x", from: "start" }));
      await hub.settle();
      expect(hub.all("ended")).toEqual([{ type: "ended", sub: 2, reason, next: null }]);
      expect(hub.closed).toEqual([]);
    }
  });

  it("holds three long-polls at most, so that a browser has connections left", async () => {
    const hub = new FakeHub().on("/v1/me", ME);
    const wire = hub.wire();
    await hub.settle();
    for (let sub = 1; sub <= 5; sub += 1) {
      const stream = `sessions/${sub}/journal`;
      hub.on(`/v1/stream/${stream}?offset=${offset(0)}`, page([], 0)).on(`/v1/stream/${stream}?offset=${offset(0)}&live=long-poll`, "never");
      wire.send(JSON.stringify({ type: "subscribe", sub, stream, from: offset(0) }));
    }
    await hub.settle();
    expect(hub.asked.filter((each) => each.endsWith("live=long-poll"))).toHaveLength(3);
    wire.send(JSON.stringify({ type: "unsubscribe", sub: 1 }));
    await hub.settle();
    hub.time.pass(500);
    await hub.settle();
    expect(hub.asked.filter((each) => each.endsWith("live=long-poll"))).toHaveLength(4);
    wire.close();
  });
});

describe("a client behind a network that takes no socket", () => {
  it("takes the way around, says so, and goes over to a socket as soon as there is one", async () => {
    const polls: FakeWire[] = [];
    const poll = (): FakeWire => {
      const made = new FakeWire();
      polls.push(made);
      return made;
    };
    const { socket, wires, wire, time } = world({ poll });
    socket.start();
    const heard: unknown[] = [];
    socket.subscribe("accounts/a/feed", offset(4), { batch: (messages) => heard.push(...messages), ended: () => {} });
    for (let tries = 0; polls.length === 0 && tries < 10; tries += 1) {
      wire().onclose?.({ code: 1006 });
      await Promise.resolve();
      await Promise.resolve();
      time.pass(3_000);
    }
    expect(wires, "three sockets were tried for").toHaveLength(3);
    polls[0]?.welcome();
    expect(socket.connection.get()).toEqual({ state: "live", slow: true });
    polls[0]?.say({ type: "batch", sub: polls[0].all("subscribe")[0]?.sub ?? 0, messages: ["slow"], next: offset(5), upToDate: true });

    // A minute later it is tried for, beside what goes on; in vain.
    for (let minute = 0; minute < 2; minute += 1) {
      for (let part = 0; part < 3; part += 1) {
        time.pass(20_000);
        polls[0]?.say({ type: "heartbeat", hubAtMs: 1 });
      }
    }
    expect(wires).toHaveLength(5);
    expect(wires[3]?.closed, "the first try was given up").toBe(true);
    expect(socket.connection.get()).toEqual({ state: "live", slow: true });
    // Then the network lets one through.
    wire().onopen?.();
    expect(polls[0]?.closed).toBe(true);
    wire().welcome();
    expect(socket.connection.get()).toEqual({ state: "live", slow: false });
    const [asked] = wire().all("subscribe");
    expect(asked?.from, "from where the way around was").toBe(offset(5));
    wire().say({ type: "batch", sub: asked?.sub ?? 0, messages: ["fast"], next: offset(6), upToDate: true });
    expect(heard).toEqual(["slow", "fast"]);
    expect(polls).toHaveLength(1);
  });
});
