import { describe, expect, it } from "vitest";
import { type Rows, NO_ROWS, fold } from "../src/hub/feed";
import { lineFor, placeOf, recent } from "../src/machines/queue";
import { byName, names, standing } from "../src/machines/standing";
import { lastUsed, likeliest, targets } from "../src/machines/target";
import type { Me } from "../src/protocol/generated";
import { listed } from "../src/screens/sessions/order";
import { who } from "../src/screens/transcript/people";
import { type Fact, parseFact } from "../src/session/fact";
import { words } from "../src/words";
import { left, since } from "../src/words/time";

const fact = (type: string, key: string, value: object, operation = "insert"): Fact => parseFact({ type, key, value: { v: 1, ...value }, headers: { operation } }) ?? expect.fail();
const rows = (...facts: Fact[]): Rows => fold(NO_ROWS, facts);
const host = (key: string, name: string, more: object = {}): Fact =>
  fact("host", key, { presence: "online", reason: null, generation: 1, seenAtMs: 50, content: { name, platform: "linux x86_64", version: "1", agents: [] }, ...more });
const session = (key: string, of: string, activity: string, updatedAtMs: number, more: object = {}): Fact =>
  fact("session", key, { host: of, project: "prj_1", agent: "demo", activity, createdAtMs: updatedAtMs, updatedAtMs, archivedAtMs: null, endedTurns: 0, content: { title: key, doing: "writes" }, ...more });
const command = (key: string, of: string, createdAtMs: number, more: object = {}): Fact =>
  fact("command", key, { session: "ses_x", kind: "send_prompt", host: of, state: "queued", attempt: 0, createdAtMs, expiresAtMs: 900, content: { text: key, detail: null }, ...more });

describe("how a machine stands", () => {
  const there = { generation: 3, seenAtMs: 100 } as const;
  it.each([
    ["online", null, true, "online"],
    ["online", null, false, "unknown"],
    ["stale", "lease_expired", true, "stale"],
    ["offline", "lease_expired", true, "offline"],
    ["offline", "stopped", true, "stopped"],
    ["offline", "never_connected", true, "never"],
    ["disabled", "remote_access_disabled", true, "disabled"],
    ["disabled", null, true, "disabled"],
    ["revoked", "revoked", true, "revoked"],
    ["offline", "version_incompatible", true, "old"],
    ["offline", "fenced", true, "fenced"],
    ["online", "fenced", true, "fenced"],
    ["offline", null, true, "offline"],
  ] as const)("%s because of %s, connected: %s, is %s", (presence, reason, live, expected) => {
    const how = standing({ ...there, presence, reason }, live);
    expect(how).toBe(expected);
    // Each has a word of its own and says a next step or that none is needed.
    expect(words.machines.state(how)).not.toBe("");
    expect(words.machines.reason(how, "2 min ago")).toMatch(/\.$/);
  });
  it("of before there were reasons, and that never came", () => {
    expect(standing({ presence: "offline", generation: 0, seenAtMs: 0 }, true)).toBe("never");
    expect(standing({ presence: "offline", generation: 4, seenAtMs: 9 }, true)).toBe("offline");
  });
  it("ages by itself", () => {
    const minute = 60_000;
    expect([since(0, 5), since(0, 2 * minute), since(0, 3 * 60 * minute)]).toEqual(["just now", "2 min ago", "3 h ago"]);
    expect([left(10, 20), left(65_000, 0), left(3 * 3_600_000, 0), left(26 * 3_600_000, 0), left(5 * 3_600_000 + 90_000, 0)]).toEqual(["0 s", "1 min", "3 h", "1 d 2 h", "5 h 1 min"]);
  });
});

describe("names of machines", () => {
  it("that are the same are told apart, and keep their ids", () => {
    const made = rows(host("dev_a1", "Desk"), host("dev_b2", "Desk", { content: { name: "Desk", platform: "macos", version: "1", agents: [] } }), host("dev_c3", "Box"), host("dev_d4", "Box"), host("dev_e5", "Lap"));
    expect([...names(made.host).values()]).toEqual(["Desk (linux x86_64)", "Desk (macos)", "Box (v_c3)", "Box (v_d4)", "Lap"]);
  });
  it("that change change everywhere, with nothing else", () => {
    const before = rows(host("dev_a", "Desk"), host("dev_b", "Lap"), session("ses_1", "dev_b", "idle", 1));
    const after = fold(before, [host("dev_b", "Road")]);
    expect(listed(after, new Map()).map((row) => row.doing)).toEqual(["Road"]);
    expect(listed(after, new Map()).map((row) => row.id)).toEqual(listed(before, new Map()).map((row) => row.id));
  });
  it("stand in order, the hub's own first", () => {
    const made = rows(host("dev_a", "Alpha"), host("dev_b", "Beta"), host("dev_c", "alpine"));
    expect(byName(made.host, "dev_b").map(([id]) => id)).toEqual(["dev_b", "dev_a", "dev_c"]);
  });
});

describe("live on other machines", () => {
  const two = [host("dev_a", "Desk"), host("dev_b", "Lap")];
  const shown = (made: Rows, own: string | null): [string, boolean][] => listed(made, new Map(), new Map(), own).map((row) => [row.id, row.elsewhere]);

  it("has what runs elsewhere, each once, newest first, behind what is here", () => {
    const made = rows(...two, session("ses_here", "dev_a", "working", 1), session("ses_old", "dev_b", "working", 5), session("ses_new", "dev_b", "working", 9), session("ses_rest", "dev_b", "idle", 10));
    expect(shown(made, "dev_a")).toEqual([
      ["ses_here", false],
      ["ses_new", true],
      ["ses_old", true],
      ["ses_rest", false],
    ]);
  });
  it("rises when something of it needs a person, and stays below what is here", () => {
    const made = rows(...two, session("ses_work", "dev_a", "working", 9), session("ses_ask", "dev_a", "needs_input", 1), session("ses_far", "dev_b", "needs_input", 2), session("ses_run", "dev_b", "working", 3));
    expect(shown(made, "dev_a")).toEqual([
      ["ses_ask", false],
      ["ses_far", true],
      ["ses_run", true],
      ["ses_work", false],
    ]);
  });
  it("is absent with one machine, and when nothing runs", () => {
    expect(shown(rows(host("dev_a", "Desk"), session("ses_1", "dev_a", "working", 1)), null)).toEqual([["ses_1", false]]);
    expect(shown(rows(...two, session("ses_1", "dev_b", "idle", 1)), "dev_a")).toEqual([["ses_1", false]]);
  });
  it("at a hub without a host of its own has all that runs", () => {
    expect(shown(rows(...two, session("ses_1", "dev_a", "working", 1)), null)).toEqual([["ses_1", true]]);
  });
  it("at a hub without a host of its own does not hide what waits for an answer: that needs you, wherever it is", () => {
    const made = rows(...two, session("ses_a", "dev_a", "needs_input", 1), session("ses_run", "dev_a", "working", 9), session("ses_b", "dev_b", "needs_input", 2), session("ses_rest", "dev_b", "idle", 10));
    expect(listed(made, new Map(), new Map(), null).map((row) => [row.id, row.need, row.elsewhere])).toEqual([
      ["ses_b", "needs", false],
      ["ses_a", "needs", false],
      ["ses_run", "working", true],
      ["ses_rest", "rest", false],
    ]);
    expect(listed(made, new Map(), new Map(), null).map((row) => row.doing.split(" · ")[0])).toEqual(["Lap", "Desk", "Desk", "Lap"]);
  });
  it("shows a session once when its owner changes, and not after its end", () => {
    const before = rows(...two, session("ses_1", "dev_b", "working", 1));
    const moved = fold(before, [session("ses_1", "dev_a", "working", 2)]);
    expect(shown(moved, "dev_a")).toEqual([["ses_1", false]]);
    const gone = fold(before, [parseFact({ type: "session", key: "ses_1", headers: { operation: "delete" } }) ?? expect.fail()]);
    expect(shown(gone, "dev_a")).toEqual([]);
  });
  it("does not say of a machine that vanished that anything runs there", () => {
    const made = rows(host("dev_a", "Desk"), host("dev_b", "Lap", { presence: "offline", reason: "lease_expired" }), session("ses_1", "dev_b", "working", 1));
    expect(listed(made, new Map(), new Map(), "dev_a").map((row) => [row.need, row.elsewhere, row.doing])).toEqual([["waiting", false, words.sessions.wasWorking("Lap")]]);
  });
});

describe("the machine of the next chat", () => {
  const made = rows(host("dev_a", "Desk"), host("dev_b", "Lap", { presence: "offline" }), host("dev_c", "Old", { presence: "revoked" }), session("ses_1", "dev_a", "idle", 1, { agent: "claude", project: "prj_a" }), session("ses_2", "dev_b", "idle", 2, { project: "prj_b" }));
  it("can be one that sleeps, and not one that was revoked", () => expect(targets(made, null).map(([id]) => id)).toEqual(["dev_a", "dev_b"]));
  it.each([
    [["dev_a", "dev_b"], "dev_a"],
    [["", "dev_b"], "dev_b"],
    [["dev_c", null], "dev_b"],
    [[undefined], "dev_b"],
  ])("with the wishes %j is %s", (wishes, expected) => expect(likeliest(made, wishes, null)).toBe(expected));
  it("without chats is one that is there", () => expect(likeliest(rows(host("dev_b", "A", { presence: "offline" }), host("dev_a", "B")), [], null)).toBe("dev_a"));
  it("without machines is none", () => expect(likeliest(rows(), ["dev_a"], null)).toBe(""));
  it("has its own projects and agents of last time", () => {
    expect([lastUsed(made, "dev_a", "agent"), lastUsed(made, "dev_b", "agent"), lastUsed(made, "dev_b", "project"), lastUsed(made, "dev_c", "project")]).toEqual(["claude", "demo", "prj_b", ""]);
  });
});

describe("what waits for a machine", () => {
  const made = rows(
    command("cmd_b", "dev_a", 2),
    command("cmd_a", "dev_a", 1),
    command("cmd_o", "dev_b", 1),
    command("cmd_s", "dev_a", 1, { kind: "cancel_turn", content: { text: null, detail: null } }),
    command("cmd_l", "dev_a", 0, { state: "leased" }),
  );
  it("stands in line by machine, messages only", () => {
    expect(lineFor("dev_a", made).map(([id]) => id)).toEqual(["cmd_a", "cmd_b"]);
    expect([placeOf("cmd_b", made), placeOf("cmd_a", made), placeOf("cmd_l", made)]).toEqual([
      { place: 2, all: 2, ahead: "cmd_a" },
      { place: 1, all: 2, ahead: null },
      { place: null, all: 0, ahead: null },
    ]);
  });
  it("stands by the places that the hub gives, whoever moved it", () => {
    const moved = fold(made, [command("cmd_b", "dev_a", 2, { place: 4 }), command("cmd_a", "dev_a", 1, { place: 7 })]);
    expect(lineFor("dev_a", moved).map(([id]) => id)).toEqual(["cmd_b", "cmd_a"]);
  });
  it("is listed newest first, of one machine or of all", () => {
    expect(recent(made, "", 3).map(([id]) => id)).toEqual(["cmd_b", "cmd_s", "cmd_o"]);
    expect(recent(made, "dev_b", 9).map(([id]) => id)).toEqual(["cmd_o"]);
  });
});

describe("who a message is from", () => {
  const device = (key: string, name: string): Fact => fact("device", key, { account: "acc_here", kind: "browser", rights: [], createdAtMs: 1, revokedAtMs: null, content: { name, platform: "test" } });
  const me = { account: "acc_here", device: "dev_tablet" } as Me;

  it("is the reader, also in a chat of a linked machine, which knows the reader's devices under an account of its own", () => {
    const known = rows(device("dev_tablet", "Tablet"));
    const there = { account: "acc_of_the_machine", device: "dev_tablet" };
    expect(who(there, known, me)).toEqual({ person: words.transcript.you, device: "Tablet" });
    expect(who({ account: "acc_here", device: "dev_gone" }, known, me).person).toBe(words.transcript.you);
    expect(who({ ...there, device: "dev_else" }, known, me).person).toBe(words.transcript.unknownDevice);
  });
});
