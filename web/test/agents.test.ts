import { expect, test } from "vitest";
import { about } from "../src/screens/devices/Agents";

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
