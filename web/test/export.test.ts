import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Head, json, markdown } from "../src/session/export";
import { closed, count, fenced, inline, time } from "../src/session/escape";
import { parseFact } from "../src/session/fact";
import { Transcript } from "../src/session/fold";
import { whole } from "../src/session/whole";
import { offset } from "./world";

interface Fixture {
  head: Head;
  journal: unknown[];
  live: { turn: string; message: unknown }[];
}

const folder = new URL("../../protocol/fixtures/export/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), "utf8");
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".md"))
  .map((name) => name.slice(0, -3));

function told({ journal, live }: Fixture): Transcript {
  const transcript = new Transcript();
  for (const message of journal) {
    const fact = parseFact(message);
    if (fact) transcript.journal(fact);
  }
  for (const { turn, message } of live) {
    const fact = parseFact(message);
    if (fact) transcript.live(turn, fact);
  }
  return transcript;
}

describe("an export is the same, byte by byte, as the one that Rust makes", () => {
  it("has sessions to export", () => expect(names.length).toBeGreaterThanOrEqual(4));
  it.each(names)("%s", (name) => {
    const fixture = JSON.parse(read(`${name}.json`)) as Fixture;
    const transcript = told(fixture);
    expect(markdown(fixture.head, transcript)).toBe(read(`${name}.md`));
    expect(json(fixture.head, transcript)).toBe(read(`${name}.export.json`));
  });
});

describe("words of others inside a document of ours", () => {
  it.each([
    ["plain\n\n", "plain"],
    ["```rust\nlet a;", "```rust\nlet a;\n```"],
    ["```\na\n```", "```\na\n```"],
    ["~~~~\n~~~\n```", "~~~~\n~~~\n```\n~~~~"],
    ["```not `a fence", "```not `a fence"],
    ["    ```", "    ```"],
    ["````\n```\n````", "````\n```\n````"],
    ["```\n``` x", "```\n``` x\n```"],
  ])("an open block is closed and a closed one is not: %j", (text, expected) => expect(closed(text)).toBe(expected));
  it("are fenced by more backticks than they have", () => expect(fenced("md", "````x")).toBe("`````md\n````x\n`````"));
  it("become one plain line", () => expect(inline(" a\u0085*b*\n<c>\uFEFF")).toBe("a \\*b\\* \\<c\\>\uFEFF"));
  it("times and counts are easy to read", () => {
    expect(time(951_782_400_000)).toBe("2000-02-29 00:00 UTC");
    expect([0, 999, 1000, 1_234_567].map(count)).toEqual(["0", "999", "1,000", "1,234,567"]);
  });
});

describe("a whole chat is read from its end", () => {
  const item = (ord: number): object => ({ type: "item", key: `itm_${ord}`, value: { v: 1, session: "s", turn: "t", ord, role: "user", content: { kind: "text", text: String(ord) } }, headers: { operation: "insert" } });
  const pages = new Map<string | null, object>([
    [null, { facts: [item(3)], open: [], before: offset(200), tail: offset(300) }],
    [offset(200), { facts: [item(2)], open: [], before: offset(100), tail: offset(300) }],
    [offset(100), { facts: [item(1)], open: [], before: null, tail: offset(300) }],
  ]);
  const api = { transcript: (_: string, before: string | null) => Promise.resolve(pages.get(before) as never) };

  it("page by page, and says how far it is", async () => {
    const shares: number[] = [];
    const transcript = await whole(api, "s", (share) => shares.push(share), new AbortController().signal);
    expect(transcript.items().map(([id]) => id)).toEqual(["itm_1", "itm_2", "itm_3"]);
    expect(shares.map((share) => share.toFixed(2))).toEqual(["0.33", "0.67", "1.00"]);
  });

  it("and stops when nobody wants it any more", async () => {
    const stop = new AbortController();
    await expect(whole(api, "s", () => stop.abort(), stop.signal)).rejects.toThrow();
  });
});
