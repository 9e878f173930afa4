import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/** The tokens of one scheme; the dark ones stand in a media query and replace the light ones. */
function tokens(css: string): Map<string, string> {
  return new Map([...css.matchAll(/--([a-z-]+):\s*(#[0-9a-f]{6});/g)].map((match) => [match[1] ?? "", match[2] ?? ""]));
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** WCAG 2.2, contrast ratio. */
function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const css = readFileSync(new URL("../src/style/tokens.css", import.meta.url), "utf8");
const [lightCss = "", darkCss = ""] = css.split("@media (prefers-color-scheme: dark)");
const light = tokens(lightCss);
const dark = new Map([...light, ...tokens(darkCss)]);

// What is read, and what it stands on: WCAG 2.2 AA asks 4.5 of text and 3 of what marks a control.
const TEXT: [string, string[]][] = [
  ["text", ["ground", "surface", "sunken", "accent-wash", "bad-wash", "added-wash", "removed-wash"]],
  ["text-soft", ["ground", "surface", "sunken", "accent-wash"]],
  ["accent", ["ground", "surface", "accent-wash"]],
  ["good", ["ground", "surface"]],
  ["bad", ["ground", "surface", "bad-wash"]],
  ...["keyword", "string", "comment", "number", "name", "meta"].map((ink): [string, string[]] => [`ink-${ink}`, ["sunken", "added-wash", "removed-wash"]]),
  ["good", ["sunken"]],
  ["bad", ["sunken"]],
  ["on-accent", ["accent-fill", "accent-press"]],
];
const MARKS: [string, string[]][] = [
  ["line-strong", ["ground", "surface"]],
  ["focus", ["ground", "surface"]],
];

describe.each([
  ["light", light],
  ["dark", dark],
])("%s", (_, scheme) => {
  const value = (name: string): string => scheme.get(name) ?? expect.fail(`no token ${name}`);
  it.each(TEXT.flatMap(([ink, papers]) => papers.map((paper) => [ink, paper] as const)))("%s can be read on %s", (ink, paper) => {
    expect(contrast(value(ink), value(paper))).toBeGreaterThanOrEqual(4.5);
  });
  it.each(MARKS.flatMap(([ink, papers]) => papers.map((paper) => [ink, paper] as const)))("%s can be seen on %s", (ink, paper) => {
    expect(contrast(value(ink), value(paper))).toBeGreaterThanOrEqual(3);
  });
});

it("measures what it says it measures", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
  expect(contrast("#777777", "#ffffff")).toBeLessThan(4.5);
  expect(dark.get("ground")).not.toBe(light.get("ground"));
});
