import { describe, expect, it } from "vitest";
import { NO_ROWS, type Rows, fold } from "../src/hub/feed";
import type { Sent } from "../src/hub/outbox";
import type { CommandBody, ErrorCode } from "../src/protocol/generated";
import { type Fact, parseFact } from "../src/session/fact";
import { refusals, stopOf } from "../src/session/stop";

const fact = (key: string, kind: string, state: string, code: string | null = null): Fact =>
  parseFact({ type: "command", key, value: { v: 1, kind, host: "dev_h", session: "ses_1", turn: null, sender: { account: "acc_1", device: "dev_1" }, state, attempt: 1, createdAtMs: 100, expiresAtMs: 9, updatedAtMs: 6, error: code === null ? null : { code, retryable: false }, content: { text: null, detail: null, attachments: [] } }, headers: { operation: "insert" } }) ?? expect.fail();
const rows = (...facts: Fact[]): Rows => fold(NO_ROWS, facts);
const sent = (body: CommandBody, phase: Sent["phase"], error: ErrorCode | null = null): ReadonlyMap<string, Sent> => new Map([["cmd_1", { request: { id: "cmd_1", host: "dev_h", ttlMs: null, body }, atMs: 1, phase, state: null, error }]]);
const stop: CommandBody = { kind: "cancel_turn", session: "ses_1", turn: "trn_1" };
const none = new Map<string, Sent>();
const asked = { turn: "trn_1", command: "cmd_1" };

describe("a stop", () => {
  it("is on its way from the tap on until its turn has ended", () => {
    expect(stopOf("trn_1", [], NO_ROWS, none)).toEqual({ state: "free" });
    for (const phase of ["here", "acked"] as const) expect(stopOf("trn_1", [asked], NO_ROWS, sent(stop, phase))).toEqual({ state: "going" });
    for (const state of ["queued", "leased", "running", "succeeded"]) expect(stopOf("trn_1", [asked], rows(fact("cmd_1", "cancel_turn", state)), none)).toEqual({ state: "going" });
    // The next turn is another one.
    expect(stopOf("trn_2", [asked], rows(fact("cmd_1", "cancel_turn", "leased")), none)).toEqual({ state: "free" });
    expect(stopOf(null, [asked], NO_ROWS, none)).toEqual({ state: "free" });
  });

  it("that came to nothing says why, and can be asked for again", () => {
    expect(stopOf("trn_1", [asked], NO_ROWS, sent(stop, "refused", "forbidden"))).toEqual({ state: "failed", error: "forbidden" });
    expect(stopOf("trn_1", [asked], rows(fact("cmd_1", "cancel_turn", "expired")), none)).toEqual({ state: "failed", error: "expired" });
    expect(stopOf("trn_1", [asked], rows(fact("cmd_1", "cancel_turn", "failed", "host_revoked")), none)).toEqual({ state: "failed", error: "host_revoked" });
    const again = new Map([...sent(stop, "refused", "queue_full"), ...[...sent(stop, "here")].map(([, each]) => ["cmd_2", each] as const)]);
    expect(stopOf("trn_1", [asked], NO_ROWS, again)).toEqual({ state: "going" });
  });
});

describe("what was refused and has no place of its own", () => {
  const options: CommandBody = { kind: "set_options", session: "ses_1", model: "big", mode: null, effort: null };
  it("is said in its chat, from the hub and from the machine", () => {
    expect(refusals("ses_1", NO_ROWS, sent(options, "refused", "forbidden"), "dev_1", 50, [])).toEqual([{ command: "cmd_1", kind: "set_options", error: "forbidden" }]);
    expect(refusals("ses_1", rows(fact("cmd_1", "steer_prompt", "failed", "not_found")), none, "dev_1", 50, [])).toEqual([{ command: "cmd_1", kind: "steer_prompt", error: "not_found" }]);
    expect(refusals("ses_2", NO_ROWS, sent(options, "refused"), "dev_1", 50, [])).toEqual([]);
  });
  it("is not what is on its way, what is older than the page, what others wanted, or the stop that has its button", () => {
    expect(refusals("ses_1", NO_ROWS, sent(options, "here"), "dev_1", 50, [])).toEqual([]);
    expect(refusals("ses_1", rows(fact("cmd_1", "set_options", "expired")), none, "dev_1", 101, [])).toEqual([]);
    expect(refusals("ses_1", rows(fact("cmd_1", "set_options", "expired")), none, "dev_2", 50, [])).toEqual([]);
    expect(refusals("ses_1", NO_ROWS, sent(stop, "refused"), "dev_1", 50, [asked])).toEqual([]);
    expect(refusals("ses_1", rows(fact("cmd_1", "cancel_turn", "expired")), none, "dev_1", 50, [asked])).toEqual([]);
    // What was to be taken back while it waited.
    expect(refusals("ses_1", NO_ROWS, sent(stop, "refused"), "dev_1", 50, [])).toHaveLength(1);
  });
});
