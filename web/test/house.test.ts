import { describe, expect, it } from "vitest";
import { reason } from "../src/screens/devices/Machines";
import { words } from "../src/words";

describe("why a machine is not online", () => {
  const minute = 60_000;
  const host = { generation: 3, seenAtMs: 100 * minute };
  it.each([
    ["online", true, words.machines.online],
    ["online", false, words.machines.hubUnreachable],
    ["stale", true, words.machines.stale("5m")],
    ["offline", true, words.machines.leaseExpired("5m")],
    ["disabled", true, words.machines.disabled],
    ["revoked", true, words.machines.revoked],
  ] as const)("%s, connected: %s", (presence, live, expected) => expect(reason({ ...host, presence }, live, 105 * minute)).toBe(expected));
  it("never connected", () => expect(reason({ generation: 0, seenAtMs: 0, presence: "offline" }, true, 5)).toBe(words.machines.neverConnected));
});

describe("words of actions", () => {
  it("are there for what is done, and readable for what a later hub names", () => {
    expect(words.audit.action("device.revoke")).toBe("Removed a device");
    expect(words.audit.action("session.move_away")).toBe("session move away");
  });
});
