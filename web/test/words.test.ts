import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { about, format, whole } from "../src/screens/pair/about";
import { words } from "../src/words";
import { ago } from "../src/words/time";

const source = new URL("../src/", import.meta.url);
const components = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".tsx"));

describe("words live in the catalogue", () => {
  it.each(components)("%s holds no sentence of its own", (name) => {
    const text = readFileSync(new URL(name, source), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    const between = [...text.matchAll(/<\/?[A-Za-z][^<>{}]*>([^<>{}()=;]*[A-Za-z]{3,}[^<>{}()=;]*)<\//g)].map((match) => match[1]);
    const attributes = [...text.matchAll(/(?:aria-label|title|placeholder|alt|label)="([^"]*[a-z]{2,}[^"]*)"/g)].map((match) => match[1]);
    expect([...between, ...attributes]).toEqual([]);
  });
});

/** Every fixed text of the catalogue. */
function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(texts) : [];
}

it("the catalogue does not shout, and uses the vocabulary", () => {
  for (const text of texts(words)) {
    expect(text).not.toMatch(/!/);
    expect(text).not.toMatch(/\b(?:relay|channel|please|oops|sorry)\b/i);
  }
});

it("times are relative up to a day, then days, then dates", () => {
  const now = Date.UTC(2026, 10, 20, 12);
  expect(ago(now + 5_000, now)).toBe("now");
  expect(ago(now - 120_000, now)).toBe("2m");
  expect(ago(now - 3 * 3_600_000, now)).toBe("3h");
  expect(ago(now - 26 * 3_600_000, now)).toMatch(/^[A-Z][a-z]{2}$/);
  expect(ago(now - 40 * 86_400_000, now)).toMatch(/^[A-Z][a-z]{2} \d+$/);
  expect(ago(now - 400 * 86_400_000, now)).toMatch(/2025/);
});

it("a pairing code may be typed in any way", () => {
  for (const typed of ["abcd2345", "ABCD 2345", "ab-cd-23-45", " abcd-2345xyz"]) expect(format(typed)).toBe("ABCD-2345");
  expect([format("abcd"), format("abcd2")]).toEqual(["ABCD", "ABCD-2"]);
  expect([whole("ABCD-2345"), whole("ABCD-234")]).toEqual([true, false]);
});

it("a device proposes its own name", () => {
  expect(about("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Version/19.0 Mobile Safari/604")).toEqual({ name: "iPhone", platform: "iPhone · Safari" });
  expect(about("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/19.0 Safari/605", 5).name).toBe("iPad");
  expect(about("Mozilla/5.0 (Linux; Android 16; Pixel) AppleWebKit/537 Chrome/140.0 Mobile Safari/537").platform).toBe("Android phone · Chrome");
});
