import { describe, expect, it } from "vitest";
import { type Rows, NO_ROWS, fold } from "../src/hub/feed";
import type { Sent } from "../src/hub/outbox";
import type { CommandState, TurnState } from "../src/protocol/generated";
import { entries } from "../src/session/entries";
import { type Fact, parseFact } from "../src/session/fact";
import { Transcript } from "../src/session/fold";
import { pending } from "../src/session/pending";

const fact = (type: string, key: string, value: object): Fact => parseFact({ type, key, value: { v: 1, session: "ses_1", ...value }, headers: { operation: "insert" } }) ?? expect.fail();
const sender = { account: "acc_1", device: "dev_1" };
const turn = (key: string, ord: number, state: TurnState, command: string, error: object | null = null): Fact => fact("turn", key, { ord, state, origin: { type: "prompt", command }, error, usage: null, content: { detail: null } });
const item = (key: string, of: string, ord: number, role: string, parent: string | null = null): Fact => fact("item", key, { turn: of, ord, role, parent, createdAtMs: ord, content: { kind: "text", text: key } });
const command = (key: string, state: CommandState, text: string, of: string | null = null): Fact => fact("command", key, { kind: "send_prompt", host: "dev_h", turn: of, sender, state, createdAtMs: 100, error: null, content: { text, detail: null } });

function transcript(...facts: Fact[]): Transcript {
  const made = new Transcript();
  for (const each of facts) made.journal(each);
  return made;
}

const rows = (...facts: Fact[]): Rows => fold(NO_ROWS, facts);
const NOTHING: ReadonlyMap<string, Sent> = new Map();

describe("the lines of a transcript", () => {
  it("show a prompt that waited with its own answer, and why a turn did not end well behind its last line", () => {
    const told = transcript(
      turn("trn_1", 1, "interrupted", "cmd_1", { code: "cancelled", by: null }),
      item("itm_1", "trn_1", 2, "user"),
      item("itm_2", "trn_1", 3, "agent"),
      turn("trn_2", 4, "completed", "cmd_2"),
      item("itm_3", "trn_2", 5, "user"),
      item("itm_4", "trn_1", 6, "agent"),
      item("itm_5", "trn_2", 7, "agent"),
    );
    expect(entries(told).map((entry) => entry.id)).toEqual(["itm_1", "itm_2", "itm_4", "trn_1", "itm_3", "itm_5"]);
  });

  it("show a prompt that was taken into the turn that ran where it was taken in, and no longer by itself", () => {
    const told = transcript(turn("trn_1", 1, "running", "cmd_1"), item("itm_1", "trn_1", 2, "user"), turn("trn_2", 3, "queued", "cmd_2"), item("itm_2", "trn_2", 4, "user"), item("itm_3", "trn_1", 5, "agent"));
    expect(entries(told).map((entry) => entry.id)).toEqual(["itm_1", "itm_3", "itm_2"]);
    for (const each of [item("itm_2", "trn_1", 7, "user"), turn("trn_2", 6, "completed", "cmd_2"), item("itm_4", "trn_1", 8, "agent")]) told.journal(each);
    expect(entries(told).map((entry) => entry.id)).toEqual(["itm_1", "itm_3", "itm_2", "itm_4"]);
    expect(pending("ses_1", told, rows(command("cmd_2", "succeeded", "itm_2", "trn_2")), NOTHING)).toEqual([]);
  });

  it("indent what a sub-agent says, and end even when parents go in a circle", () => {
    const told = transcript(item("itm_1", "trn_1", 1, "agent"), item("itm_2", "trn_1", 2, "agent", "itm_1"), item("itm_3", "trn_1", 3, "agent", "itm_4"), item("itm_4", "trn_1", 4, "agent", "itm_3"));
    expect(entries(told).map((entry) => (entry.kind === "item" ? entry.depth : -1))).toEqual([0, 1, 3, 3]);
  });
});

describe("what belongs together", () => {
  const call = (key: string, ord: number, name: string, parent: string | null = null, status = "done"): Fact => fact("item", key, { turn: "trn_1", ord, role: "agent", parent, status, createdAtMs: ord, content: { kind: "tool_call", tool: "task", name } });
  const plan = (key: string, ord: number, text: string): Fact => fact("item", key, { turn: "trn_1", ord, role: "agent", parent: null, status: "done", createdAtMs: ord, content: { kind: "plan", entries: [{ text, status: "pending" }] } });
  const drawn = (told: Transcript): unknown[] => entries(told).map((entry) => (entry.kind === "item" ? [entry.id, ...entry.children.map((child) => child.id)] : entry.id));

  it("is drawn together: what two sub-agents do at once stands in the call of each", () => {
    const told = transcript(call("itm_1", 1, "Task"), call("itm_2", 2, "Task"), item("itm_3", "trn_1", 3, "agent", "itm_2"), item("itm_4", "trn_1", 4, "agent", "itm_1"), item("itm_5", "trn_1", 5, "agent"), item("itm_6", "trn_1", 6, "agent", "itm_2"));
    expect(drawn(told)).toEqual([["itm_1", "itm_4"], ["itm_2", "itm_3", "itm_6"], ["itm_5"]]);
  });

  it("is drawn by itself while the call stands on an older page", () => {
    expect(drawn(transcript(item("itm_3", "trn_1", 3, "agent", "itm_gone")))).toEqual([["itm_3"]]);
  });

  it("is one plan in a turn, as it is now, and the call that wrote it is not told twice unless it failed", () => {
    const told = transcript(plan("itm_1", 1, "old"), call("itm_2", 2, "TodoWrite"), plan("itm_3", 3, "new"), call("itm_4", 4, "TodoWrite", null, "failed"));
    expect(drawn(told)).toEqual([["itm_1"], ["itm_4"]]);
    const [line] = entries(told);
    expect(line?.kind === "item" && line.item.content.kind === "plan" ? line.item.content.entries[0]?.text : "").toBe("new");
  });

  it("ends with what the turn used", () => {
    const used = { inputTokens: 1, outputTokens: 2, cachedTokens: 0, costMicroUsd: null };
    const ended = fact("turn", "trn_1", { ord: 1, state: "completed", origin: { type: "prompt", command: "cmd_1" }, error: null, usage: used, content: { detail: null } });
    expect(drawn(transcript(ended, item("itm_1", "trn_1", 2, "agent")))).toEqual([["itm_1"], "trn_1"]);
  });
});

describe("messages that wait", () => {
  const sent = (phase: Sent["phase"]): ReadonlyMap<string, Sent> =>
    new Map([["cmd_9", { request: { id: "cmd_9", host: "dev_h", ttlMs: null, body: { kind: "send_prompt", session: "ses_1", content: { text: "mine", attachments: [] } } }, atMs: 500, phase, state: null, error: phase === "refused" ? "queue_full" : null }]]);

  it("are shown once, however many of outbox, lists and journal know them", () => {
    expect(pending("ses_1", transcript(), rows(), sent("here")).map((each) => each.delivery)).toEqual(["here"]);
    expect(pending("ses_1", transcript(), rows(), sent("acked")).map((each) => each.delivery)).toEqual(["hub"]);
    expect(pending("ses_1", transcript(), rows(command("cmd_9", "queued", "mine")), sent("acked"))).toHaveLength(1);
    const known = transcript(turn("trn_9", 1, "queued", "cmd_9"), item("itm_9", "trn_9", 2, "user"));
    expect(pending("ses_1", known, rows(command("cmd_9", "running", "mine", "trn_9")), sent("acked"))).toEqual([]);
    expect(pending("ses_1", known, rows(), sent("acked"))).toEqual([]);
  });

  it("that failed say why, until something newer was said", () => {
    const failed = pending("ses_1", transcript(), rows(command("cmd_1", "expired", "old")), NOTHING);
    expect(failed).toMatchObject([{ delivery: "failed", error: { command: "expired" }, body: { kind: "send_prompt" } }]);
    const newer = fact("command", "cmd_2", { kind: "send_prompt", host: "dev_h", turn: "trn_1", sender, state: "succeeded", createdAtMs: 101, error: null, content: { text: "new", detail: null } });
    expect(pending("ses_1", transcript(turn("trn_1", 1, "completed", "cmd_2"), item("itm_1", "trn_1", 2, "user")), rows(command("cmd_1", "expired", "old"), newer), NOTHING)).toEqual([]);
    expect(pending("ses_1", transcript(), rows(), sent("refused"))).toMatchObject([{ delivery: "failed", error: { command: "queue_full" } }]);
  });

  it("that failed are shown however far ahead or behind the clock of their machine is", () => {
    const before = fact("command", "cmd_0", { kind: "send_prompt", host: "dev_h", turn: "trn_0", sender, state: "succeeded", createdAtMs: 50, error: null, content: { text: "first", detail: null } });
    const said = (atMs: number): Transcript => transcript(turn("trn_0", 1, "completed", "cmd_0"), fact("item", "itm_0", { turn: "trn_0", ord: 2, role: "user", parent: null, createdAtMs: atMs, content: { kind: "text", text: "first" } }));
    for (const atMs of [1, 50, 3_600_050]) expect(pending("ses_1", said(atMs), rows(before, command("cmd_1", "failed", "second")), NOTHING)).toMatchObject([{ command: "cmd_1", delivery: "failed" }]);
  });

  it("of another session are not shown here", () => expect(pending("ses_2", transcript(), rows(command("cmd_1", "queued", "x")), sent("here"))).toEqual([]));
});
