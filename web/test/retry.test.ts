import { expect, it } from "vitest";
import { type Rows, NO_ROWS, fold } from "../src/hub/feed";
import type { Sent } from "../src/hub/outbox";
import { type Fact, parseFact } from "../src/session/fact";
import { Transcript } from "../src/session/fold";
import { pending } from "../src/session/pending";

const command = (key: string, state: string, more: object = {}): Fact =>
  parseFact({ type: "command", key, value: { v: 1, kind: "send_prompt", host: "dev_1", session: "ses_1", turn: null, sender: { account: "acc_1", device: "dev_2" }, state, attempt: 1, createdAtMs: 5, expiresAtMs: 9, updatedAtMs: 6, error: state === "failed" ? { code: "agent_unavailable", retryable: false } : null, content: { text: key, detail: null, attachments: [] }, ...more }, headers: { operation: "insert" } }) ?? expect.fail();
const shown = (rows: Rows, sent: ReadonlyMap<string, Sent> = new Map()): string[] => pending("ses_1", new Transcript(), rows, sent).map((each) => each.command);

it("a message that was sent again is shown once, where its new try stands, whichever device sent that", () => {
  const failed = fold(NO_ROWS, [command("cmd_1", "failed")]);
  expect(shown(failed)).toEqual(["cmd_1"]);
  const again = fold(failed, [command("cmd_2", "queued", { retryOf: "cmd_1", createdAtMs: 7 })]);
  expect(shown(again)).toEqual(["cmd_2"]);
  const body = { kind: "send_prompt" as const, session: "ses_1", content: { text: "x", attachments: [] } };
  const sent = (phase: Sent["phase"]): ReadonlyMap<string, Sent> => new Map([["cmd_3", { request: { id: "cmd_3", host: "dev_1", ttlMs: null, retryOf: "cmd_1", body }, atMs: 8, phase, state: null, error: phase === "refused" ? "already_retried" : null }]]);
  expect(shown(failed, sent("here"))).toEqual(["cmd_3"]);
  // What the hub did not take takes nothing's place.
  expect(shown(failed, sent("refused"))).toEqual(["cmd_1", "cmd_3"]);
});

it("what is so old that the hub cannot say whether it ran is not known, and what never was on its way did not get there", () => {
  const body = { kind: "send_prompt" as const, session: "ses_1", content: { text: "x", attachments: [] } };
  const sent = (tried: boolean): ReadonlyMap<string, Sent> => new Map([["cmd_3", { request: { id: "cmd_3", host: "dev_1", ttlMs: null, body }, atMs: 8, phase: "refused", state: null, error: "command_too_old", tried }]]);
  const told = (tried: boolean): unknown => pending("ses_1", new Transcript(), NO_ROWS, sent(tried)).map(({ delivery, error }) => [delivery, error]);
  expect(told(true)).toEqual([["unknown", { command: "command_too_old" }]]);
  expect(told(false)).toEqual([["failed", { command: "command_too_old" }]]);
});
