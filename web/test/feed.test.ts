import { expect, it } from "vitest";
import type { Api } from "../src/hub/api";
import { Feed } from "../src/hub/feed";
import { offset, world } from "./world";

it("lists whose feed ends again and again are asked for with growing pauses, and soon again once it has flowed", async () => {
  const { socket, wire, time } = world();
  let asked = 0;
  const api = { lists: () => Promise.resolve({ facts: [], offset: offset((asked += 1)) }) } as unknown as Api;
  const feed = new Feed(api, socket, "acc", time);
  socket.start();
  wire().welcome();
  const sub = (): number => wire().all("subscribe").at(-1)?.sub ?? 0;
  await feed.start();
  for (let end = 0; end < 8; end += 1) {
    wire().say({ type: "ended", sub: sub(), reason: "forbidden", next: null });
    // Half of the longest pause, as its chance is one half.
    time.pass(15_000);
    await Promise.resolve();
    await Promise.resolve();
    wire().say({ type: "heartbeat", hubAtMs: 1 });
  }
  expect(asked).toBe(9);
  wire().say({ type: "ended", sub: sub(), reason: "forbidden", next: null });
  time.pass(10_000);
  expect(asked).toBe(9);
  time.pass(5_001);
  await Promise.resolve();
  await Promise.resolve();
  wire().say({ type: "batch", sub: sub(), messages: [], next: offset(20), upToDate: true });
  wire().say({ type: "ended", sub: sub(), reason: "reset", next: null });
  time.pass(1_000);
  expect(asked).toBe(11);
});
