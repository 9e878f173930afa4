import { describe, expect, it } from "vitest";
import { type Api, ApiError } from "../src/hub/api";
import type { TranscriptPage, Turn } from "../src/protocol/generated";
import { canonical } from "../src/session/canonical";
import { Opener } from "../src/session/opener";
import { type ManualTime, type FakeWire, offset, world } from "./world";

const fact = (type: string, key: string, value: object | null): unknown =>
  value === null ? { type, key, headers: { operation: "delete" } } : { type, key, value: { v: 1, session: "ses_1", ...value }, headers: { operation: "insert" } };
const turn = (key: string, state: Turn["state"], ord: number, lowWater: string | null): unknown =>
  fact("turn", key, { ord, state, origin: { type: "agent" }, sender: null, agent: "demo", model: null, lowWater, queuedAtMs: 1, startedAtMs: 1, endedAtMs: null, usage: null, error: null, content: { detail: null } });
const item = (key: string, of: string, ord: number, text: string, settled: boolean): unknown =>
  fact("item", key, { index: 0, turn: of, ord, parent: null, role: "agent", sender: null, status: settled ? "done" : "running", createdAtMs: 1, settledAtMs: settled ? 2 : null, content: { kind: "text", text } });
const delta = (key: string, index: number, text: string): unknown => fact("delta", key, { index, part: "text", content: { text } });

interface Scene {
  opener: Opener;
  pages: (string | null)[];
  time: ManualTime;
  wire: () => FakeWire;
  sub: (stream: string) => number;
  lines: () => string[];
}

async function scene(answer: (before: string | null) => TranscriptPage | Error): Promise<Scene> {
  const { socket, wire, time } = world();
  const pages: (string | null)[] = [];
  const api = {
    transcript: (_: string, before: string | null) => {
      pages.push(before);
      const page = answer(before);
      return page instanceof Error ? Promise.reject(page) : Promise.resolve(page);
    },
  } as unknown as Api;
  const opener = new Opener("ses_1", api, socket, time);
  socket.start();
  wire().welcome();
  await opener.open();
  const sub = (stream: string): number => wire().all("subscribe").findLast((frame) => frame.stream === stream)?.sub ?? 0;
  return { opener, pages, time, wire, sub, lines: () => canonical(opener.state.get().transcript) };
}

const page = (facts: unknown[], rest: Partial<TranscriptPage> = {}): TranscriptPage => ({ facts, before: null, tail: offset(50), open: [], ...rest });

describe("an opened session", () => {
  it("joins the journal at the page's tail and a running turn at its low-water offset", async () => {
    const { wire, sub, lines, time, opener } = await scene(() => page([item("itm_1", "trn_1", 2, "done", true)], { open: [turn("trn_1", "running", 1, offset(7))] }));
    expect(wire().all("subscribe").map(({ stream, from }) => [stream, from])).toEqual([
      ["sessions/ses_1/journal", offset(50)],
      ["turns/trn_1/live", offset(7)],
    ]);
    wire().say({ type: "batch", sub: sub("turns/trn_1/live"), messages: [item("itm_2", "trn_1", 3, "", false), delta("itm_2", 1, "Hel"), delta("itm_2", 2, "lo")], next: offset(9), upToDate: true });
    expect(lines()[2]).toBe('item 3 itm_2 agent running text "Hello"');
    const before = opener.state.get().version;
    time.pass(200);
    expect(opener.state.get().version).toBeGreaterThan(before);
    wire().say({ type: "batch", sub: sub("sessions/ses_1/journal"), messages: [item("itm_2", "trn_1", 3, "Hello!", true), turn("trn_1", "completed", 1, offset(9))], next: offset(60), upToDate: true });
    expect(lines()[2]).toBe('item 3 itm_2 agent done text "Hello!"');
    expect(wire().all("unsubscribe")).toEqual([{ type: "unsubscribe", sub: sub("turns/trn_1/live") }]);
  });

  it("streams each turn that begins while it is open", async () => {
    const { wire, sub } = await scene(() => page([]));
    for (const n of [1, 2, 3]) {
      wire().say({ type: "batch", sub: sub("sessions/ses_1/journal"), messages: [turn(`trn_${n}`, "queued", n, null)], next: offset(60 + n), upToDate: true });
      expect(sub(`turns/trn_${n}/live`)).toBe(0);
      wire().say({ type: "batch", sub: sub("sessions/ses_1/journal"), messages: [turn(`trn_${n}`, "running", n, offset(0))], next: offset(70 + n), upToDate: true });
      expect(sub(`turns/trn_${n}/live`)).toBeGreaterThan(0);
      wire().say({ type: "ended", sub: sub(`turns/trn_${n}/live`), reason: "closed", next: offset(5) });
      wire().say({ type: "batch", sub: sub("sessions/ses_1/journal"), messages: [turn(`trn_${n}`, "completed", n, offset(0))], next: offset(80 + n), upToDate: true });
    }
    expect(wire().all("subscribe")).toHaveLength(4);
  });

  it("pages backwards without losing what is newer", async () => {
    const { opener, pages, lines } = await scene((before) =>
      before === null ? page([item("itm_2", "trn_1", 2, "new", true)], { before: offset(20) }) : page([item("itm_1", "trn_1", 1, "old", true), item("itm_2", "trn_1", 2, "stale", true)]),
    );
    expect(opener.state.get().older).toBe("more");
    await Promise.all([opener.more(), opener.more()]);
    expect(pages).toEqual([null, offset(20)]);
    expect(lines()).toEqual(['item 1 itm_1 agent done text "old"', 'item 2 itm_2 agent done text "new"']);
    expect(opener.state.get().older).toBe("none");
  });

  it("starts again from its page when its journal was reset", async () => {
    const { pages, wire, sub, time } = await scene(() => page([]));
    wire().say({ type: "ended", sub: sub("sessions/ses_1/journal"), reason: "reset", next: null });
    time.pass(2_000);
    expect(pages).toEqual([null, null]);
  });

  it("that is not there says so, and is found when it is made", async () => {
    let there = false;
    const problem = { status: 404, code: "not_found", title: "", detail: null, hint: "", requestId: null } as const;
    const { opener } = await scene(() => (there ? page([]) : new ApiError(problem)));
    expect(opener.state.get().phase).toBe("missing");
    there = true;
    await opener.open();
    expect(opener.state.get().phase).toBe("open");
  });

  it("that is looked for again and again is shown as soon as an answer is here, however slow the line is", async () => {
    const answers: ((page: TranscriptPage) => void)[] = [];
    const missing = new ApiError({ status: 404, code: "not_found", title: "", detail: null, hint: "", requestId: null });
    const { socket, time } = world();
    const api = { transcript: () => new Promise<TranscriptPage>((resolve, reject) => (answers.length === 0 ? (answers.push(resolve), reject(missing)) : void answers.push(resolve))) } as unknown as Api;
    const opener = new Opener("ses_1", api, socket, time);
    await opener.open();
    expect(opener.state.get().phase).toBe("missing");
    const looks = [opener.look(), opener.look(), opener.look()];
    expect(answers).toHaveLength(2);
    answers[1]?.(page([]));
    await Promise.all(looks);
    expect(opener.state.get().phase).toBe("open");
    await opener.look();
    expect(answers).toHaveLength(2);
  });

  it("that was left says nothing more and asks nothing more", async () => {
    const { opener, wire, time, sub } = await scene(() => page([], { open: [turn("trn_1", "running", 1, offset(0))] }));
    opener.stop();
    expect(wire().all("unsubscribe")).toHaveLength(2);
    const { version } = opener.state.get();
    wire().say({ type: "batch", sub: sub("sessions/ses_1/journal"), messages: [item("itm_1", "trn_1", 2, "x", true)], next: offset(60), upToDate: true });
    time.pass(1_000);
    expect(opener.state.get().version).toBe(version);
  });
});
