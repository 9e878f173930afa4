import { describe, expect, it } from "vitest";
import { ansiLines, ansiPlain } from "../src/parts/code/ansi";
import { markUp } from "../src/parts/code/grammars";
import { ofFence, ofPath } from "../src/parts/code/language";
import { tokens } from "../src/parts/code/tokens";
import { count, matches } from "../src/screens/transcript/tool/matches";
import { numbered } from "../src/screens/transcript/tool/numbered";
import { hostOf, pages, titleOf } from "../src/screens/transcript/tool/web";

describe("code in colours", () => {
  const code = `// "quotes" & <tags>\nconst a: string = \`two\nlines\`; // é\n`;
  it("loses and adds no character, whatever the language", () => {
    for (const language of ["typescript", "rust", "python", "bash", "xml", "markdown", "json"]) {
      const lines = tokens(markUp(code, language));
      expect(lines.map((line) => line.map((token) => token.text).join("")).join("\n"), language).toBe(code);
    }
  });
  it("knows what is what", () => {
    const [first, second] = tokens(markUp(code, "typescript"));
    expect(first).toEqual([{ text: '// "quotes" & <tags>', ink: "comment" }]);
    expect(second?.[0]).toEqual({ text: "const", ink: "keyword" });
  });
  it("takes markup in the code for code", () => {
    const evil = '<span class="hljs-keyword"></span><img src=x onerror=alert(1)>';
    expect(tokens(markUp(evil, "rust")).flat().map((token) => token.text).join("")).toBe(evil);
  });
  it("finds the language by the name of a file or a fence", () => {
    expect([ofPath("a/b/C.RS"), ofPath("Dockerfile"), ofPath("x.unknown"), ofPath(""), ofFence("TS")]).toEqual(["rust", "dockerfile", null, null, "typescript"]);
  });
});

describe("terminal output", () => {
  it("keeps the sixteen colours and leaves out all else that is for a terminal", () => {
    expect(ansiLines("\u001b[1;32mok\u001b[0m \u001b[38;5;1mred\u001b[39m\u001b[38;2;9;9;9mx\u001b[K\u0007\u001b]0;title\u0007\u001b]8;;http://a\u001b\\link\u001b]8;;\u001b\\")).toEqual([
      [
        { text: "ok", look: "ansi-green ansi-bold" },
        { text: " ", look: "" },
        { text: "red", look: "ansi-red" },
        { text: "xlink", look: "" },
      ],
    ]);
  });
  it("goes on with a colour on the next line", () => expect(ansiLines("\u001b[31ma\nb")[1]).toEqual([{ text: "b", look: "ansi-red" }]));
  it("shows what a progress bar wrote last", () => expect(ansiPlain("10%\r50%\r100%\r\ndone\r\n")).toBe("100%\ndone\n"));
  it("takes back what was erased by a backspace", () => expect(ansiPlain("ab\bc")).toBe("ac"));
  it("is never cut by a sequence that was", () => expect(ansiPlain("before \u001b[3")).toBe("before [3"));
});

describe("a search", () => {
  it("is told by file and line", () => {
    const found = matches("src/a.rs:3:fn main() {\nsrc/a.rs:9:}\nsrc/b.rs:1:use a;\n");
    expect(found).toEqual([
      { path: "src/a.rs", lines: [{ number: 3, text: "fn main() {" }, { number: 9, text: "}" }] },
      { path: "src/b.rs", lines: [{ number: 1, text: "use a;" }] },
    ]);
    expect(count(found ?? [])).toEqual({ lines: 3, files: 2 });
  });
  it("for files has files", () => expect(count(matches("Found 2 files\nsrc/a.rs\nREADME.md") ?? [])).toEqual({ lines: 0, files: 2 }));
  it("that found nothing says so", () => expect(matches("No files found")).toEqual([]));
  it("that printed something else is shown as it is", () => expect(matches("Some remark about nothing in particular")).toBeNull());
});

describe("a page of the web", () => {
  it("is named by its host, and only where there is one", () => {
    expect([hostOf("https://docs.rs/x?y"), hostOf("javascript:alert(1)"), hostOf("nonsense")]).toEqual(["docs.rs", null, null]);
  });
  it("that a search found has a title and an address; other words stay", () => {
    expect(pages('Web search results\n\nLinks: [{"title":"A","url":"https://a.example/1"},{"title":"B","url":"javascript:1"}]\n\nSo it is.')).toEqual({
      pages: [{ title: "A", url: "https://a.example/1" }],
      rest: "Web search results\n\n\n\nSo it is.",
    });
    expect(pages("Links: [broken").rest).toBe("Links: [broken");
  });
  it("has the title that it gives itself", () => expect(titleOf("intro\n# The title\n")).toBe("The title"));
});

describe("a part of a file", () => {
  it("is told from the numbers of its lines, and from what follows it", () => {
    expect(numbered("    10→a\n    11→\n    12→b\n\n<note>")).toEqual({ start: 10, text: "a\n\nb", rest: "<note>" });
    expect(numbered("a\n1→b")).toBeNull();
  });
});
