import { expect, it } from "vitest";
import { mint, uuid7 } from "../src/hub/ids";

it("mints ids that the hub takes: version 7, the right variant, lower-case hex", () => {
  expect(mint("cmd")).toMatch(/^cmd_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
});

it("carries the time in its first 48 bits", () => {
  const at = Date.now() + 60_000;
  expect(Number.parseInt(uuid7(at).slice(0, 12), 16)).toBe(at);
});

it("gives no id twice and keeps their order, also when many are made in one millisecond or the clock goes back", () => {
  const at = Date.now() + 120_000;
  const made = Array.from({ length: 10_000 }, (_, n) => uuid7(n % 2 === 0 ? at : at - 5_000));
  expect(new Set(made).size).toBe(made.length);
  expect([...made].sort()).toEqual(made);
});
