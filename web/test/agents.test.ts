import { expect, test } from "vitest";
import type { LimitWindow } from "../src/protocol/generated";
import { about } from "../src/screens/devices/Agents";
import { limitLines } from "../src/session/limits";

test("what is known of an agent is told in its order, and nothing is made up", () => {
  const tested = { oldest: "2.1.197", newest: "2.1.329", standing: "newer" } as const;
  expect(about({ health: { program: "~/bin/claude", tested, login: { kind: "subscription", plan: "max" } } })).toEqual([
    "~/bin/claude",
    "newer than what is tested (2.1.197 to 2.1.329)",
    "logged in with a plan (max)",
  ]);
  expect(about({ health: { program: null, tested: { oldest: "1.0.0", newest: "1.0.0", standing: "tested" }, login: { kind: "none", plan: null } } })).toEqual([
    "tested with 1.0.0",
    "not logged in",
  ]);
  expect(about({ health: { program: null, tested: null, login: null } })).toEqual([]);
  expect(about({}), "a host of an older version").toEqual([]);
});

test("limits are told as the agent has said them, until they begin anew", () => {
  const now = new Date(2026, 10, 26, 12, 0).getTime();
  const window = { spanMinutes: 300, about: null, usedPercent: 85, resetsAtMs: now + 3_600_000, standing: "near" } as const;
  const agent = (windows: LimitWindow[]) => ({ health: { limits: { toldAtMs: now, windows } } });
  expect(limitLines(agent([window, { ...window, spanMinutes: 10_080, about: "opus", usedPercent: null, resetsAtMs: null, standing: "reached" }]), now)).toEqual([
    "5 h limit: 85 % used, resets 13:00",
    "7 d limit (opus): reached",
  ]);
  expect(limitLines(agent([window]), now + 3_600_000), "what was said of a window that is over holds no more").toEqual([]);
  expect(limitLines({ health: { limits: null } }, now)).toEqual([]);
  expect(limitLines({}, now), "a host of an older version").toEqual([]);
});
