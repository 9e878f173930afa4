import { describe, expect, it } from "vitest";
import { blocks } from "../src/parts/blocks";
import { commandOf } from "../src/screens/transcript/tool/input";
import { counts, diff, hunks } from "../src/session/diff";

describe("blocks of Markdown", () => {
  const text = "One\ntwo\n\n- a\n\n- b\n\n  more of b\n\n```rs\nfn a() {\n\nlet b;\n}\n```\n\nLast";
  it("are cut between paragraphs, never inside a list or a fence", () => {
    expect(blocks(text)).toEqual(["One\ntwo\n\n- a\n\n- b\n\n  more of b\n", "```rs\nfn a() {\n\nlet b;\n}\n```\n", "Last"]);
  });
  it("lose nothing", () => expect(blocks(text).join("\n")).toBe(text));
  it("stay what they were while the text grows, but for the last", () => {
    for (let size = 1; size < text.length; size += 1) {
      const before = blocks(text.slice(0, size)).slice(0, -1);
      expect(blocks(text.slice(0, size + 1)).slice(0, before.length)).toEqual(before);
    }
  });
  it("are not cut when links are defined elsewhere in the text", () => expect(blocks("See [a].\n\nMore\n\n[a]: https://example.com")).toHaveLength(1));
});

describe("a comparison", () => {
  it("names what was added and removed, and can be undone", () => {
    const [before, after] = ["a\nb\nc\nd\n", "a\nx\nc\nd\ne\n"];
    const lines = diff(before, after) ?? [];
    expect(counts(lines)).toEqual({ added: 2, removed: 1 });
    const side = (sign: string): string[] => lines.filter((line) => line.sign !== sign).map((line) => line.text);
    expect(side("+")).toEqual(["a", "b", "c", "d"]);
    expect(side("-")).toEqual(["a", "x", "c", "d", "e"]);
  });
  it("of a new file is all added", () => expect(counts(diff("", "a\nb\n") ?? [])).toEqual({ added: 2, removed: 0 }));
  it("leaves out what is far from a change", () => {
    const many = Array.from({ length: 50 }, (_, n) => `line ${n}`);
    const changed = many.map((line, n) => (n === 5 || n === 40 ? "changed" : line));
    const shown = hunks(diff(many.join("\n"), changed.join("\n")) ?? []);
    expect(shown.filter((line) => line === null)).toHaveLength(1);
    expect(shown.length).toBeLessThan(20);
  });
  it("that would take too long is not made", () => {
    const long = (word: string): string => Array.from({ length: 3_000 }, (_, n) => `${word} ${n}`).join("\n");
    expect(diff(long("a"), long("b"))).toBeNull();
  });
});

it("a command is read from whole input only", () => {
  expect(commandOf('{"command":"npm test"}')).toBe("npm test");
  expect(commandOf('{"command":["npm","test"]}')).toBe("npm test");
  expect(commandOf('{"command":"npm te')).toBeNull();
  expect(commandOf("null")).toBeNull();
});
