import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ClientFrame, CommandRequest } from "../src/protocol/generated";
import { parseFact } from "../src/session/fact";
import { wire } from "./wire.generated";
import { offset, world } from "./world";

const folder = new URL("../../protocol/fixtures/wire/", import.meta.url);
const golden = (name: string): Record<string, unknown> => JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as Record<string, unknown>;

/** Every number under a name that says it is a time. */
function times(value: unknown, name = ""): unknown[] {
  if (typeof value !== "object" || value === null) return name.endsWith("AtMs") || name === "atMs" ? [value] : [];
  return Object.entries(value).flatMap(([key, inner]) => times(inner, key));
}

describe("the wire is one, for Rust and for this page", () => {
  it("has a literal for every golden file, and the same in it", () => {
    expect(readdirSync(folder).map((name) => name.replace(/\.json$/, "")).sort()).toEqual(Object.keys(wire).sort());
    for (const [name, samples] of Object.entries(wire)) expect(samples).toEqual(golden(name));
  });

  it.each(["session-facts", "feed-facts"])("every one of %s is read, whole", (name) => {
    for (const [story, message] of Object.entries(golden(name))) {
      const fact = parseFact(message);
      const { type, key, value, headers } = message as { type: string; key: string; value?: unknown; headers: { operation: string } };
      expect(fact, story).toEqual({ type, key, operation: headers.operation, value: value ?? null });
    }
  });

  it("says times in whole milliseconds, or null, and nothing in snake_case", () => {
    for (const name of Object.keys(wire)) {
      const samples = golden(name);
      for (const at of times(samples)) expect(at === null || Number.isSafeInteger(at), `${name}: ${String(at)}`).toBe(true);
      for (const sample of Object.values(samples)) expect(JSON.stringify(sample)).not.toMatch(/"[a-z]+_[a-z_]+":/);
    }
  });

  it("each frame of the hub does what it is for", async () => {
    const frames = wire["server-frames"];
    const { socket, wire: last } = world();
    const got: unknown[] = [];
    const ends: string[] = [];
    const feeder = { batch: (messages: unknown[]) => void got.push(...messages), ended: (reason: string) => void ends.push(reason) };
    socket.start();
    last().onopen?.();
    last().say(frames.welcome);
    expect(socket.welcome.get()).toEqual(frames.welcome);
    for (const story of ["closed", "deleted", "reset", "forbidden", "failed"] as const) {
      socket.subscribe("s", "start", feeder);
      const { sub } = last().all("subscribe").at(-1) ?? { sub: 0 };
      last().say({ ...frames.subscribed, sub });
      last().say({ ...frames.batch, sub });
      last().say({ ...frames[`ended: ${story}`], sub });
    }
    expect(got).toEqual(Array.from({ length: 5 }, () => frames.batch.messages[0]));
    socket.subscribe("s", "start", feeder);
    last().say({ ...frames["error of a subscription"], sub: last().all("subscribe").at(-1)?.sub ?? 0 });
    expect(ends).toEqual(["closed", "deleted", "reset", "forbidden", "failed", "failed"]);

    const ask = wire.commands["send a prompt"] as CommandRequest;
    const answers = [socket.command(ask), socket.command(ask)];
    const [first, second] = last().all("command");
    last().say({ ...frames.ack, req: first?.req ?? 0 });
    last().say({ ...frames["error of a request"], req: second?.req ?? 0 });
    expect(await answers[0]).toMatchObject({ ok: true, ack: { command: ask.id, state: "queued" } });
    expect(await answers[1]).toEqual({ ok: false, problem: frames["error of a request"].problem });
    for (const story of ["pong", "heartbeat", "unsubscribed"] as const) last().say(frames[story]);
    expect(socket.connection.get().state).toBe("live");
  });

  it("what this page says has the names that the hub reads", () => {
    const names = (frame: ClientFrame): string[] => Object.keys(frame).sort();
    const samples: readonly ClientFrame[] = Object.values(wire["client-frames"]);
    const { socket, wire: last } = world();
    socket.start();
    last().welcome();
    const subscription = socket.subscribe("s", offset(3), { batch: () => {}, ended: () => {} });
    void socket.command(wire.commands["send a prompt"]);
    void socket.cancelCommand("cmd_1");
    subscription.close();
    socket.nudge();
    const said = last().said;
    expect(new Set(said.map((frame) => frame.type))).toEqual(new Set(samples.map((frame) => frame.type)));
    for (const frame of said) expect(names(frame), frame.type).toEqual(names(samples.find((sample) => sample.type === frame.type) ?? frame));
  });
});
