import { describe, expect, it } from "vitest";
import type { Entry } from "../src/session/entries";
import { chunks } from "../src/session/chunks";

const row = (ord: number): { line: Entry } => ({ line: { kind: "approval", id: `apr_${ord}`, ord, approval: {} as never } });
const rows = (from: number, to: number): { line: Entry }[] => Array.from({ length: to - from }, (_, at) => row(from + at));

describe("chunks of lines", () => {
  it("lose no line and keep their order", () => {
    const all = rows(3, 400);
    expect(chunks(all).flatMap((chunk) => chunk.rows)).toEqual(all);
  });
  it("stay what they were when older lines come in above and newer ones below", () => {
    const before = chunks(rows(130, 400));
    const after = new Map(chunks(rows(1, 600)).map((chunk) => [chunk.key, chunk.rows.map(({ line }) => line.ord)]));
    for (const chunk of before.slice(1, -1)) expect(after.get(chunk.key)).toEqual(chunk.rows.map(({ line }) => line.ord));
    expect(after.get(before[0]?.key ?? "")).toContain(130);
  });
  it("have keys of their own, also when a prompt waited between the lines of another turn", () => {
    const mixed = [...rows(1, 70), row(200), ...rows(70, 130), row(5), ...rows(201, 210)];
    const keys = chunks(mixed).map((chunk) => chunk.key);
    expect(new Set(keys).size).toBe(keys.length);
    const longer = chunks([...mixed.slice(40)]).map((chunk) => chunk.key);
    expect(keys.slice(-longer.length)).toEqual(longer);
  });
});
