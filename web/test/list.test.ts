import { describe, expect, it, vi } from "vitest";
import { Unreachable } from "../src/hub/api";
import { type Rows, NO_ROWS, fold } from "../src/hub/feed";
import { Reading } from "../src/hub/marks";
import type { Sent } from "../src/hub/outbox";
import { filtered, listed } from "../src/screens/sessions/order";
import { type Fact, parseFact } from "../src/session/fact";

const fact = (type: string, key: string, value: object): Fact => parseFact({ type, key, value: { v: 1, ...value }, headers: { operation: "insert" } }) ?? expect.fail();
const rows = (...facts: Fact[]): Rows => fold(NO_ROWS, facts);
const NOTHING: ReadonlyMap<string, Sent> = new Map();
const session = (key: string, activity: string, updatedAtMs: number, more: object = {}): Fact =>
  fact("session", key, { host: "dev_h", project: "prj_1", agent: "demo", activity, updatedAtMs, archivedAtMs: null, endedTurns: 0, content: { title: key, doing: null }, ...more });
const mark = (key: string, readTurns: number): Fact => fact("read_mark", key, { account: "acc_1", session: key, readTurns });
const command = (key: string, of: string): Fact => fact("command", key, { session: of, kind: "send_prompt", host: "dev_h", state: "queued", createdAtMs: 100, content: { text: "x", detail: null } });

describe("the list of chats", () => {
  it("goes by need, then by time", () => {
    const made = rows(
      session("ses_idle", "idle", 9),
      session("ses_old", "not_loaded", 1),
      session("ses_new", "idle", 2, { endedTurns: 3 }),
      session("ses_work", "working", 2, { endedTurns: 1 }),
      session("ses_need", "needs_input", 1),
      session("ses_wait", "idle", 3),
      command("cmd_1", "ses_wait"),
      mark("ses_new", 1),
    );
    expect(listed(made, NOTHING).map((row) => [row.id, row.need, row.unread])).toEqual([
      ["ses_need", "needs", 0],
      ["ses_work", "working", 1],
      ["ses_wait", "waiting", 0],
      ["ses_new", "unread", 2],
      ["ses_idle", "rest", 0],
      ["ses_old", "rest", 0],
    ]);
  });

  it("shows what goes on in the background as that, and not as idle", () => {
    const made = rows(session("ses_idle", "idle", 9, { backgroundTasks: 0 }), session("ses_behind", "idle", 1, { backgroundTasks: 2, content: { title: "x", doing: "old words" } }));
    expect(listed(made, NOTHING).map((row) => [row.id, row.need])).toEqual([
      ["ses_behind", "working"],
      ["ses_idle", "rest"],
    ]);
    expect(listed(made, NOTHING)[0]?.doing).toContain("2 tasks in the background");
  });

  it("counts as read what was read here, before the hub has said so, and never below nothing", () => {
    const made = rows(session("ses_a", "idle", 1, { endedTurns: 3 }), session("ses_b", "idle", 2, { endedTurns: 1 }), mark("ses_b", 5));
    expect(listed(made, NOTHING, new Map([["ses_a", 3]])).map((row) => row.unread)).toEqual([0, 0]);
  });

  it("puts what was archived behind everything, but not what still works or asks", () => {
    const away = { archivedAtMs: 7 };
    const made = rows(session("ses_away", "idle", 99, away), session("ses_asks", "needs_input", 1, away), session("ses_rest", "idle", 1));
    expect(listed(made, NOTHING).map((row) => [row.id, row.archived])).toEqual([
      ["ses_asks", false],
      ["ses_rest", false],
      ["ses_away", true],
    ]);
  });

  it("has a chat that was just started, before its host has made it", () => {
    const start: Sent = { request: { id: "cmd_2", host: "dev_h", ttlMs: null, body: { kind: "start_session", session: "ses_new", project: "prj_1", agent: "demo", model: null, mode: null, content: { title: null, text: "Fix it\nplease", attachments: [] } } }, atMs: 5, phase: "here", state: null, error: null };
    expect(listed(rows(), new Map([["cmd_2", start]]))).toMatchObject([{ id: "ses_new", title: "Fix it", need: "waiting", made: false }]);
  });
});

describe("a search", () => {
  const made = rows(
    fact("host", "dev_h", { presence: "online", content: { name: "Desk", agents: [] } }),
    fact("project", "prj_1", { content: { name: "api" } }),
    session("ses_a", "idle", 3, { content: { title: "Café menu", doing: null } }),
    session("ses_b", "idle", 2, { project: "prj_2", content: { title: "日本語の説明", doing: null } }),
    session("ses_c", "idle", 1, { archivedAtMs: 5, content: { title: "Old café", doing: null } }),
  );
  const list = listed(made, NOTHING);
  it.each([
    ["", "", ["ses_a", "ses_b"]],
    ["cafe", "", ["ses_a", "ses_c"]],
    ["CAFÉ", "", ["ses_a", "ses_c"]],
    ["desk api", "", ["ses_a", "ses_c"]],
    ["menu desk", "", ["ses_a"]],
    ["本語", "", ["ses_b"]],
    ["", "prj_1", ["ses_a"]],
    ["cafe", "prj_2", []],
    ["demo", "", ["ses_a", "ses_b", "ses_c"]],
  ])("for %j in %j finds %j", (text, project, ids) => expect(filtered(list, { text, project }).map((row) => row.id)).toEqual(ids));
});

it("no project hides what needs you; a search for words does", () => {
  const list = listed(rows(session("ses_a", "idle", 3), session("ses_b", "needs_input", 2, { project: "prj_2" }), session("ses_c", "working", 2, { project: "prj_2" })), NOTHING);
  expect(filtered(list, { text: "", project: "prj_1" }).map((row) => row.id)).toEqual(["ses_b", "ses_a"]);
  expect(filtered(list, { text: "ses_a", project: "prj_1" }).map((row) => row.id)).toEqual(["ses_a"]);
});

describe("what was read", () => {
  it("is told once, in the newest count, and again when the hub could not be reached", async () => {
    const told: [string, number][] = [];
    let there = false;
    const reading = new Reading({
      markRead: (id, turns) => {
        if (!there) return Promise.reject(new Unreachable(id));
        told.push([id, turns]);
        return Promise.resolve();
      },
    });
    reading.read("ses_a", 1);
    reading.read("ses_a", 2);
    reading.read("ses_a", 2);
    reading.read("ses_a", 1);
    await vi.waitFor(() => expect(reading.here.get().get("ses_a")).toBe(2));
    await Promise.resolve();
    expect(told).toEqual([]);
    there = true;
    reading.retry();
    await vi.waitFor(() => expect(told).toEqual([["ses_a", 2]]));
    reading.retry();
    await Promise.resolve();
    expect(told).toHaveLength(1);
  });

  it("is forgotten with the account", async () => {
    const markRead = vi.fn(() => Promise.resolve());
    const reading = new Reading({ markRead });
    reading.close();
    reading.read("ses_a", 1);
    expect(reading.here.get().size).toBe(0);
    expect(markRead).not.toHaveBeenCalled();
  });
});
