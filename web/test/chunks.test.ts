import { describe, expect, it } from "vitest";
import type { Turn } from "../src/protocol/generated";
import { type Begun, chunks } from "../src/session/chunks";
import type { Entry } from "../src/session/entries";

type Row = { line: Entry; turn: Turn };
const turn = (ord: number, state: Turn["state"]): Turn => ({ ord, state }) as Turn;
const row = (ord: number, of = "trn_1", facts = turn(0, "completed")): Row => ({ line: { kind: "approval", id: `apr_${ord}`, ord, approval: { turn: of } as never }, turn: facts });
const rows = (from: number, to: number, of?: string, facts?: Turn): Row[] => Array.from({ length: to - from }, (_, at) => row(from + at, of, facts));

/** The chunk that each line is in. */
function places(found: Row[], begun: Begun): Map<string, string> {
  const cut = chunks(found, begun);
  const keys = cut.map((chunk) => chunk.key);
  expect(new Set(keys).size === keys.length, keys.join(", ")).toBe(true);
  const kept = cut.flatMap((chunk) => chunk.rows);
  expect(kept.length === found.length && kept.every((row, at) => row === found[at]), "no line is lost, and their order is kept").toBe(true);
  return new Map(cut.flatMap(({ key, rows }) => rows.map(({ line }) => [line.id, key])));
}

/** How many lines of those that were there before are in another chunk now, and so made anew. */
const moved = (before: Map<string, string>, after: Map<string, string>): string[] => [...before].filter(([id, key]) => after.has(id) && after.get(id) !== key).map(([id]) => id);

describe("chunks of lines", () => {
  it("stay what they were when older lines come in above and newer ones below", () => {
    const begun: Begun = new Map();
    const before = places(rows(130, 400), begun);
    expect(moved(before, places(rows(1, 600), begun))).toEqual([]);
    expect(chunks(rows(1, 600), begun)).toHaveLength(19);
  });

  it("stay what they were while a prompt waits behind the turn that runs, begins, and ends", () => {
    const begun: Begun = new Map();
    const waits = row(51, "trn_2", turn(50, "queued"));
    let known = places([...rows(1, 50, "trn_1", turn(0, "running")), waits], begun);
    const step = (now: Row[]): void => {
      const next = places(now, begun);
      expect(moved(known, next)).toEqual([]);
      known = next;
    };
    // The turn that runs reaches the next chunk, and the one behind it.
    for (let end = 52; end < 100; end += 1) step([...rows(1, 50, "trn_1", turn(0, "running")), ...rows(52, end, "trn_1", turn(0, "running")), waits]);
    const first = [...rows(1, 50), ...rows(52, 100)];
    step([...first, waits]);
    for (let end = 101; end < 140; end += 1) step([...first, ...[row(51, "trn_2", turn(50, "running")), ...rows(101, end, "trn_2", turn(50, "running"))]]);
    const second = [row(51, "trn_2", turn(50, "completed")), ...rows(101, 140, "trn_2", turn(50, "completed"))];
    for (let end = 142; end < 200; end += 1) step([...first, ...second, ...rows(141, end, "trn_3", turn(140, "running"))]);
    // Where no turn before has been, the names are the plain ones again.
    expect(known.get("apr_170")).toBe("5");
  });

  it("are as large as ever where no prompt waited behind another one", () => {
    const begun: Begun = new Map();
    const short = (state: Turn["state"]): Row[] => Array.from({ length: 64 }, (_, n) => rows(n * 4 + 1, n * 4 + 4, `trn_${n}`, turn(n * 4, n === 63 ? state : "completed"))).flat();
    for (const state of ["queued", "running", "completed"] as const) expect(new Set(places(short(state), begun).values()).size).toBe(8);
  });

  it("stay what they were in any session, whatever is queued, and when older pages come", () => {
    let seed = 7;
    const chance = (below: number): number => ((seed = (seed * 48_271) % 2_147_483_647), seed % below);
    for (let times = 0; times < 6; times += 1) {
      const turns: { id: string; ord: number; state: Turn["state"]; lines: number[] }[] = [];
      const begun: Begun = new Map();
      let [ord, from] = [0, times % 2 === 0 ? 0 : 80];
      let known = new Map<string, string>();
      const look = (older = false): void => {
        const all = turns.flatMap((each) => each.lines.filter((at) => at >= from).map((at) => row(at, each.id, turn(each.ord, each.state))));
        const next = places(all, begun);
        // What waited further up may come in between the very first lines that were there: those stand alone then.
        const [top] = known.values();
        expect(moved(known, next).filter((id) => !older || known.get(id) !== top)).toEqual([]);
        known = next;
      };
      while (ord < 240) {
        const running = turns.find((each) => each.state === "running");
        const next = turns.find((each) => each.state === "queued");
        const what = chance(12);
        if (what === 0 && turns.filter((each) => each.state === "queued").length < 3) turns.push({ id: `trn_${turns.length}`, ord: ord++, state: "queued", lines: [ord++] });
        else if (running && what === 1) running.state = "completed";
        else if (running) running.lines.push(ord++);
        else if (next) next.state = "running";
        if (ord >= 120 || from === 0) look();
      }
      from = 0;
      look(true);
    }
  });
});
