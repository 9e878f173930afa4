// A phone that lies on its side: its camera takes a piece of the screen, and nothing that is read or touched is under it.

import type { Page } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;
/** What such a phone keeps free on both sides, in CSS pixels. */
const INSET = 59;

/** What can be touched and lies, wholly or in part, where the camera or a rounded corner is. */
const under = (page: Page): Promise<string[]> =>
  page.evaluate((inset) => {
    const found: string[] = [];
    for (const each of document.querySelectorAll("a, button, input:not(.attach-input), textarea, select, label, h1")) {
      const { left, right, width } = each.getBoundingClientRect();
      if (width > 0 && !each.matches(".unseen, .unseen *") && (left < inset || right > innerWidth - inset)) found.push(`${each.outerHTML.slice(0, 120)}: ${left} to ${right}`);
    }
    return found;
  }, INSET);

test("nothing lies under the camera of a phone on its side", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "Harbour\n[[words 2]]" });
  await screen.expectSettled(page, 1);
  await page.setViewportSize({ width: 844, height: 390 });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Emulation.setSafeAreaInsetsOverride", { insets: { left: INSET, right: INSET, leftMax: INSET, rightMax: INSET } });
  expect(await under(page)).toEqual([]);
  for (const path of ["/", "/new", "/devices", "/commands"]) {
    await page.goto(new URL(path, towline.ready.url).href);
    await expect(page.locator("main h1").first()).toBeVisible();
    expect(await under(page), path).toEqual([]);
  }
  await page.goto(towline.ready.url);
  await page.getByRole("button", { name: words.sessions.more("Harbour") }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  expect(await page.getByRole("dialog").evaluate((dialog) => [...dialog.querySelectorAll("button")].map((button) => button.getBoundingClientRect().left).filter((left) => left < 59))).toEqual([]);
});
