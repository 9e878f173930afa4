import { describe, expect, it } from "vitest";
import { type Rows, NO_ROWS, fold } from "../src/hub/feed";
import type { Sent } from "../src/hub/outbox";
import { lineFor, placeOf } from "../src/machines/queue";
import type { Me, OptionKind, ParticipantList } from "../src/protocol/generated";
import { listed } from "../src/screens/sessions/order";
import { OpenLinks } from "../src/screens/sharing/lists";
import { who } from "../src/screens/transcript/people";
import { type Fact, parseFact } from "../src/session/fact";
import { Transcript } from "../src/session/fold";
import { type Seat, OWNER, answers, arranges, heldFor, isHeld, needsMe, participantsOf, seatOf, writes } from "../src/session/participants";
import { pending } from "../src/session/pending";
import { words } from "../src/words";

const fact = (type: string, key: string, value: object): Fact => parseFact({ type, key, value: { v: 1, ...value }, headers: { operation: "insert" } }) ?? expect.fail();
const gone = (type: string, key: string): Fact => parseFact({ type, key, headers: { operation: "delete" } }) ?? expect.fail();
const rows = (...facts: Fact[]): Rows => fold(NO_ROWS, facts);
const NOTHING: ReadonlyMap<string, Sent> = new Map();
const me = (account: string): Me => ({ account, device: `dev_${account}` }) as unknown as Me;

const session = (key: string, account: string, more: object = {}): Fact =>
  fact("session", key, { account, host: "dev_host", project: "prj_1", agent: "claude", activity: "idle", updatedAtMs: 1, archivedAtMs: null, endedTurns: 0, backgroundTasks: 0, content: { title: key, doing: "reading" }, ...more });
const part = (of: string, account: string, role: string, trusted = false, more: object = {}): Fact =>
  fact("participant", `${of}/${account}`, { session: of, account, role, trusted, owner: "ada", joinedAtMs: 5, content: { name: account === "bea" ? "Bea" : "Cy", ownerName: "Ada", hostName: "Desk" }, ...more });
const device = (account: string): Fact => fact("device", `dev_${account}`, { account, kind: "browser", revokedAtMs: null, content: { name: `${account}'s phone` } });
const by = (account: string, trusted = false, releasedBy: string | null = null): object => ({ account, name: account === "bea" ? "Bea" : "Cy", role: "editor", trusted, releasedBy });
const prompt = (key: string, sender: string, more: object = {}): Fact =>
  fact("command", key, { kind: "send_prompt", host: "dev_host", session: "ses_1", turn: null, sender: { account: sender, device: `dev_${sender}` }, state: "queued", attempt: 0, createdAtMs: 5, expiresAtMs: 9, updatedAtMs: 5, error: null, content: { text: key, detail: null, attachments: [] }, ...more });

describe("who sits where", () => {
  const shared = [session("ses_1", "ada"), session("ses_2", "bea")];
  it("a chat of one's own is one's own, whoever else is in it", () => {
    expect(seatOf("ses_1", rows(...shared, part("ses_1", "bea", "editor", true)), "ada")).toEqual(OWNER);
    expect(seatOf("ses_unknown", rows(...shared), "ada")).toEqual(OWNER);
  });

  it.each([
    ["viewer", false, "viewer"],
    ["editor", false, "editor"],
    ["editor", true, "trusted"],
    // Trust is for who writes; a role of a later version only reads.
    ["viewer", true, "viewer"],
    ["auditor", true, "viewer"],
  ])("as %s, trusted: %s, one is %s", (role, trusted, seat) => {
    expect(seatOf("ses_1", rows(...shared, part("ses_1", "bea", role, trusted)), "bea")).toEqual({ role: seat, owner: "Ada", host: "Desk" });
  });

  it("whose own part is not known yet only watches; the part in another chat is none in this one", () => {
    expect(seatOf("ses_1", rows(...shared, part("ses_2", "bea", "editor", true), part("ses_1", "cy", "editor", true)), "bea")).toMatchObject({ role: "viewer", owner: "Ada" });
  });

  it("a part that is changed or taken away counts at once, and the name stays with what was said", () => {
    const before = rows(...shared, part("ses_1", "bea", "editor", true));
    expect(seatOf("ses_1", fold(before, [part("ses_1", "bea", "viewer")]), "bea").role).toBe("viewer");
    const after = fold(before, [gone("participant", "ses_1/bea")]);
    expect(participantsOf("ses_1", after)).toEqual([]);
    expect(who({ account: "bea", device: "dev_bea" }, after, me("ada"), "ses_1").person).toBe("Bea");
  });
});

describe("what a seat may do", () => {
  const seat = (role: Seat["role"]): Seat => ({ role, owner: "Ada", host: "Desk" });
  const KINDS: OptionKind[] = ["allow_once", "allow_always", "allow_rule", "deny", "deny_always", "answer"];
  it.each([
    ["owner", KINDS, true, true],
    ["trusted", ["allow_once", "deny", "answer"], true, true],
    ["editor", ["deny"], true, false],
    ["viewer", [], false, false],
  ] as const)("%s", (role, kinds, write, arrange) => {
    expect(KINDS.filter((kind) => answers(seat(role), { kind }))).toEqual(kinds);
    expect([writes(seat(role)), arranges(seat(role))]).toEqual([write, arrange]);
  });
});

describe("a prompt that waits for the owner", () => {
  const held = prompt("cmd_1", "bea", { participant: by("bea") });
  it.each([
    ["untrusted", { participant: by("bea") }, true],
    ["let run", { participant: by("bea", false, "dev_ada") }, false],
    ["of who is trusted", { participant: by("bea", true) }, false],
    ["of the owner", { participant: null }, false],
    ["of an older hub", {}, false],
    ["handed over", { participant: by("bea"), state: "leased" }, false],
    ["a stop", { participant: by("bea"), kind: "cancel_turn" }, false],
  ])("%s", (_, more, is) => {
    const command = rows(prompt("cmd_1", "bea", more)).command.get("cmd_1");
    expect(command && isHeld(command)).toBe(is);
  });

  it("needs its owner and nobody else, and is first in the list there", () => {
    const all = rows(session("ses_1", "ada"), session("ses_2", "ada", { activity: "working", updatedAtMs: 9 }), part("ses_1", "bea", "editor"), held);
    expect([needsMe(all, me("ada")), needsMe(all, me("bea"))]).toEqual([true, false]);
    expect([...heldFor(all, "ada").keys()]).toEqual(["ses_1"]);
    expect(listed(all, NOTHING, undefined, null, "ada").map((row) => [row.id, row.need])).toEqual([
      ["ses_1", "needs"],
      ["ses_2", "working"],
    ]);
    expect(listed(all, NOTHING, undefined, null, "ada")[0]?.doing).toBe(words.sharing.asksShort("Bea", "cmd_1"));
    expect(listed(all, NOTHING, undefined, null, "bea").find((row) => row.id === "ses_1")?.need).toBe("waiting");
    const released = fold(all, [prompt("cmd_1", "bea", { participant: by("bea", false, "dev_ada") })]);
    expect(needsMe(released, me("ada"))).toBe(false);
  });

  it("stands in no machine's line", () => {
    const all = rows(session("ses_1", "ada"), held, prompt("cmd_2", "ada", { createdAtMs: 6 }));
    expect(lineFor("dev_host", all).map(([id]) => id)).toEqual(["cmd_2"]);
    expect([placeOf("cmd_1", all).place, placeOf("cmd_2", all).place]).toEqual([null, 1]);
  });

  it("is shown as that, and then as what became of it", () => {
    const shown = (state: string, reader: string, took: string[] = []): [string, string][] =>
      pending("ses_1", new Transcript(), rows(device(reader), prompt("cmd_1", "bea", { participant: by("bea"), state })), NOTHING, new Set(took)).map((each) => [each.delivery, each.sender?.account ?? ""]);
    expect(shown("queued", "bea")).toEqual([["held", "bea"]]);
    expect(shown("queued", "ada")).toEqual([["held", "bea"]]);
    // Refused: told to who wrote it. Taken back by who wrote it: nothing to tell.
    expect(shown("cancelled", "bea")).toEqual([["refused", "bea"]]);
    expect(shown("cancelled", "ada")).toEqual([]);
    expect(shown("cancelled", "bea", ["cmd_1"])).toEqual([]);
    expect(shown("expired", "bea")).toEqual([["failed", "bea"]]);
  });

  it("that was let run and then taken back was not refused", () => {
    const all = rows(device("bea"), prompt("cmd_1", "bea", { participant: by("bea", false, "dev_ada"), state: "cancelled" }));
    expect(pending("ses_1", new Transcript(), all, NOTHING)).toEqual([]);
  });
});

describe("the list of somebody who takes part", () => {
  const shown = (more: object, ...facts: Fact[]) => listed(rows(session("ses_1", "ada", more), ...facts), NOTHING, undefined, null, "bea");
  it("has the chat with its owner's name and the machine's, of which nothing else is known", () => {
    expect(shown({}, part("ses_1", "bea", "viewer"))).toMatchObject([{ need: "rest", doing: "Ada · Desk", owner: "Ada", elsewhere: false, made: true }]);
    expect(shown({ activity: "working" }, part("ses_1", "bea", "viewer"))).toMatchObject([{ need: "working", doing: "Ada · Desk · reading" }]);
    expect(shown({}, part("ses_1", "bea", "viewer"))[0]?.sought).toContain("ada");
  });

  it("puts no machine of others among those of the reader, however many these are", () => {
    const own = (id: string): Fact => fact("host", id, { presence: "online", content: { name: id, agents: [] } });
    expect(shown({ activity: "working" }, part("ses_1", "bea", "editor"), own("dev_a"), own("dev_b"))).toMatchObject([{ need: "working", elsewhere: false }]);
  });

  it.each([
    ["viewer", false, "working"],
    ["editor", false, "working"],
    ["editor", true, "needs"],
  ])("what an agent asks there needs who may allow it: %s, trusted: %s", (role, trusted, need) => {
    const all = rows(session("ses_1", "ada", { activity: "needs_input" }), part("ses_1", "bea", role, trusted));
    expect(listed(all, NOTHING, undefined, null, "bea")).toMatchObject([{ need }]);
    expect(needsMe(all, me("bea"))).toBe(need === "needs");
    expect(needsMe(all, me("ada"))).toBe(true);
  });

  it("a chat that is shared no more is out of it", () => {
    const all = fold(rows(session("ses_1", "ada"), part("ses_1", "bea", "viewer")), [gone("session", "ses_1"), gone("participant", "ses_1/bea")]);
    expect(listed(all, NOTHING, undefined, null, "bea")).toEqual([]);
  });
});

describe("who said it", () => {
  const all = rows(session("ses_1", "ada"), part("ses_1", "bea", "editor"), part("ses_1", "cy", "viewer"), device("bea"));
  it("to the owner, participants have names and no devices", () => {
    const own = rows(session("ses_1", "ada"), part("ses_1", "bea", "editor"), device("ada"));
    expect(who({ account: "bea", device: "dev_bea" }, own, me("ada"), "ses_1")).toEqual({ person: "Bea", device: "" });
    expect(who({ account: "on_the_machine", device: "dev_ada" }, own, me("ada"), "ses_1")).toEqual({ person: words.transcript.you, device: "ada's phone" });
    // In another chat, and to who knows of no participants, it is as it was.
    expect(who({ account: "bea", device: "dev_x" }, own, me("ada")).person).toBe(words.transcript.unknownDevice);
  });

  it("to a participant the owner has a name too, under whatever account the machine writes", () => {
    expect(who({ account: "on_the_machine", device: "dev_ada" }, all, me("bea"), "ses_1")).toEqual({ person: "Ada", device: "" });
    expect(who({ account: "cy", device: "dev_cy" }, all, me("bea"), "ses_1")).toEqual({ person: "Cy", device: "" });
    expect(who({ account: "bea", device: "dev_bea" }, all, me("bea"), "ses_1").person).toBe(words.transcript.you);
  });
});

it("a slow answer of before takes no link away that was made since", async () => {
  const waiting: ((list: ParticipantList) => void)[] = [];
  const links = new OpenLinks({ participants: () => new Promise((resolve) => waiting.push(resolve)) }, "ses_1");
  const [before, after] = [links.look(), links.look()];
  const list = (...ids: string[]): ParticipantList => ({ participants: [], invitations: ids.map((invitation) => ({ invitation, role: "viewer", trusted: false, createdAtMs: 1, expiresAtMs: 2 })) });
  waiting[1]?.(list("inv_1"));
  await after;
  waiting[0]?.(list());
  await before;
  expect(links.shown.get().invitations.map((each) => each.invitation)).toEqual(["inv_1"]);
});
