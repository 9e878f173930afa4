// Checks a page against the rules of WCAG 2.2 A and AA that a program can check.

import { AxeBuilder } from "@axe-core/playwright";
import { type Page, expect } from "@playwright/test";

/** Fails naming each broken rule and the first place it is broken at. */
export async function expectAccessible(page: Page): Promise<void> {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  expect(violations.map(({ id, help, nodes }) => `${id}: ${help} at ${nodes[0]?.target.join(" ")}`)).toEqual([]);
}
