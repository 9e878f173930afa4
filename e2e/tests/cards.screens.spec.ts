// Each kind of card, folded and open: a picture to look at, and the rules of accessibility that a program can check.

import { expectAccessible } from "../support/accessibility.ts";
import { showCards } from "../support/cards.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("every card is pictured and accessible, and says all that it holds", async ({ towline, page, shoot }, testInfo) => {
  testInfo.setTimeout(180_000);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await screen.pairFirst(page, towline, { name: "Ada's phone" });
  await screen.startChat(page, { agent: screen.DEMO, text: "[[say hello]]" });
  await screen.expectSettled(page, 1);
  await showCards(page);
  await page.reload();
  const log = screen.log(page);
  await expect(log.locator("[data-tool]")).toHaveCount(7);
  const picture = async (name: string) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await shoot(`${colorScheme}-${name}`);
      await expectAccessible(page);
    }
  };
  await picture("30-cards-end");
  await page.locator(".chat-scroll").evaluate((box) => (box.scrollTop = 0));
  await picture("31-cards-folded");

  // However wide its code is, the page itself never scrolls sideways.
  expect(await page.locator(".chat-scroll").evaluate((box) => box.scrollWidth - box.clientWidth)).toBe(0);

  // What failed is open and says why first; what is fine is one line.
  const card = (tool: string) => log.locator(`section[data-tool="${tool}"]`);
  await expect(card("execute").last().locator(".tool-reason")).toHaveText(words.tool.exited(101));
  await expect(card("execute").first().locator(".tool-body")).toBeHidden();

  const open = async (locator: ReturnType<typeof card>, name: string) => {
    await locator.locator(".tool-head").first().click();
    await expect(locator.locator(".tool-body").first()).toBeVisible();
    await locator.evaluate((element) => element.scrollIntoView({ block: "start" }));
    await picture(name);
  };
  await open(card("read"), "32-card-read");
  await expect(card("read").locator(".ink-keyword").first()).toHaveText("use");
  await expect(card("search").first().locator(".tool-note")).toHaveText(words.tool.found(3));
  await open(card("search").first(), "33-card-search");
  await expect(card("fetch").locator(".tool-note")).toHaveText("tides.example");
  await open(card("fetch"), "34-card-web");
  await expect(card("fetch").getByRole("link", { name: words.tool.page("Tides of today", "tides.example") })).toHaveAttribute("href", "https://tides.example/today");
  await open(card("edit"), "35-card-edit");
  await expect(card("edit").locator(".diff-added")).toHaveCount(3);
  await expect(card("edit").locator(".diff-removed")).toHaveCount(1);
  await expect(card("edit").locator(".ink-keyword").first()).toBeVisible();

  // Long output is folded and says how long it is; what the hub left out is said too. Nothing of a terminal's is left in it.
  const run = card("execute").first();
  await open(run, "36-card-command");
  await expect(run.locator(".tool-omitted")).toContainText(words.size(734_003));
  await expect(run.getByText("hour_0 ...")).toHaveCount(0);
  await run.getByRole("button", { name: words.tool.showAll(1_240) }).click();
  await expect(run.getByText("hour_0 ...")).toHaveCount(1);
  expect(await run.textContent()).not.toMatch(/[\u001b]|\[\d+m/);

  const task = card("task");
  await expect(task.locator(".tool-note")).toHaveText(words.tool.steps(2));
  await open(task, "37-card-sub-agent");
  await expect(task.locator(".sub-agent").getByText("There are two.", { exact: true })).toBeVisible();
  await expect(log.getByText(words.transcript.planDone(1, 3))).toBeVisible();
  await expect(log.locator(".turn-used")).toContainText(words.transcript.tokens(19_644, 655));
});
