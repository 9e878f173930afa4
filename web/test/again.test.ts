import { expect, it } from "vitest";
import { NO_ROWS, fold } from "../src/hub/feed";
import type { Sent } from "../src/hub/outbox";
import { sendAgain } from "../src/session/again";
import { type Fact, parseFact } from "../src/session/fact";

const command = (key: string, state: string, retryOf: string | null = null): Fact =>
  parseFact({ type: "command", key, value: { v: 1, kind: "send_prompt", host: "dev_1", session: "ses_1", turn: null, sender: { account: "acc_1", device: "dev_2" }, state, attempt: 1, retryOf, createdAtMs: 5, expiresAtMs: 9, updatedAtMs: 6, error: null, content: { text: "x", detail: null, attachments: [] } }, headers: { operation: "insert" } }) ?? expect.fail();
const sent = (retryOf: string, phase: Sent["phase"] = "here"): ReadonlyMap<string, Sent> =>
  new Map([["cmd_9", { request: { id: "cmd_9", host: "dev_1", ttlMs: null, retryOf, body: { kind: "send_prompt", session: "ses_1", content: { text: "x", attachments: [] } } }, atMs: 1, phase, state: null, error: null }]]);
const none = new Map<string, Sent>();

it("a turn that ran and ended badly is sent again once: from the tap on there is nothing more to tap, on any device", () => {
  const ran = fold(NO_ROWS, [command("cmd_1", "succeeded")]);
  expect(sendAgain("cmd_1", ran, none)).toEqual({ sent: false, retryOf: "cmd_1" });
  expect(sendAgain("cmd_1", ran, sent("cmd_1")).sent).toBe(true);
  expect(sendAgain("cmd_1", ran, sent("cmd_1", "acked")).sent).toBe(true);
  for (const state of ["queued", "leased", "running", "succeeded", "indeterminate"]) expect(sendAgain("cmd_1", fold(ran, [command("cmd_2", state, "cmd_1")]), none).sent).toBe(true);
});

it("a try that never ran is passed over, and the next one is another try of that", () => {
  const ran = fold(NO_ROWS, [command("cmd_1", "succeeded"), command("cmd_2", "cancelled", "cmd_1")]);
  expect(sendAgain("cmd_1", ran, none)).toEqual({ sent: false, retryOf: "cmd_2" });
  expect(sendAgain("cmd_1", ran, sent("cmd_2")).sent).toBe(true);
  expect(sendAgain("cmd_1", fold(ran, [command("cmd_3", "running", "cmd_2")]), none)).toEqual({ sent: true, retryOf: "cmd_2" });
  // What the hub refused is no try.
  expect(sendAgain("cmd_1", ran, sent("cmd_2", "refused")).sent).toBe(false);
});

it("what nobody asked, and what goes in a circle, ends", () => {
  expect(sendAgain(null, NO_ROWS, none)).toEqual({ sent: false, retryOf: null });
  expect(sendAgain("cmd_1", fold(NO_ROWS, [command("cmd_1", "failed", "cmd_2"), command("cmd_2", "failed", "cmd_1")]), none).sent).toBe(false);
});
