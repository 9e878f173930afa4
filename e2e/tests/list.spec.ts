// The list of chats: found, read, named, put away, taken out and deleted, the same on every device.

import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("chats are searched, read, renamed, archived, exported and deleted, and every device agrees", async ({ towline, page, browser, shoot }, testInfo) => {
  testInfo.setTimeout(180_000);
  const picture = async (name: string) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await shoot(`${colorScheme}-${name}`);
      await expectAccessible(page);
    }
  };
  const list = page.getByRole("main", { name: words.sessions.title }).or(page.getByRole("region", { name: words.sessions.title }));
  const toList = () => page.goto(towline.ready.url);
  const row = (title: string) => list.getByRole("link", { name: new RegExp(title) });
  const menu = async (title: string) => {
    await list.getByRole("button", { name: words.sessions.more(title) }).focus();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("dialog")).toBeVisible();
  };
  const choose = (name: string) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();

  await screen.pairFirst(page, towline);
  const titles = ["Tide table", "Harbour lights", "Café menu"];
  for (const title of titles) {
    await toList();
    await screen.startChat(page, { agent: screen.DEMO, text: `${title}\n[[words 3]]` });
    await screen.expectSettled(page, 1);
    await expect.poll(() => unreadTurns(page)).toBe(0);
  }

  // A second device has not read them; what it opens is read on both.
  const guest = await (await browser.newContext()).newPage();
  await guest.setViewportSize({ width: 390, height: 844 });
  await screen.pairAnother(guest, towline);
  await toList();
  await expect(page.getByRole("heading", { name: words.sessions.unread })).toHaveCount(0);
  await expect(guest.getByRole("heading", { name: words.sessions.unread })).toHaveCount(0);
  // It ends while nobody looks.
  await screen.startChat(page, { agent: screen.DEMO, text: "Lighthouse\n[[rate 100]] [[words 20]]" });
  await screen.expectWords(page, 1);
  await toList();
  await expect(page.getByRole("heading", { name: words.sessions.unread })).toBeVisible({ timeout: 20_000 });
  await expect(row("Lighthouse")).toContainText(words.sessions.unreadTurns(1));
  await expect(guest.getByRole("link", { name: /Lighthouse/ })).toContainText(words.sessions.unreadTurns(1));
  await picture("30-list-unread");
  await guest.getByRole("link", { name: /Lighthouse/ }).click();
  await expect(page.getByRole("heading", { name: words.sessions.unread })).toHaveCount(0);
  await guest.goto(towline.ready.url);

  // Found without accents and from anywhere; Escape shows all again.
  await page.keyboard.press("/");
  await expect(page.getByRole("searchbox", { name: words.sessions.search })).toBeFocused();
  await page.keyboard.type("cafe");
  await expect(list.getByRole("link", { name: /Harbour lights/ })).toHaveCount(0);
  await expect(row("Café menu")).toBeVisible();
  await page.keyboard.type(" nowhere");
  await expect(page.getByText(words.sessions.noneFound("cafe nowhere"))).toBeVisible();
  await picture("31-list-not-found");
  await page.getByRole("searchbox").press("Escape");
  await expect(row("Harbour lights")).toBeVisible();

  await menu("Tide table");
  await picture("32-menu");
  await choose(words.actions.rename);
  await page.getByLabel(words.actions.renameLabel).fill("Tides of the year");
  await choose(words.actions.save);
  await expect(row("Tides of the year")).toBeVisible();
  await expect(guest.getByRole("link", { name: /Tides of the year/ })).toBeVisible();

  await menu("Tides of the year");
  await choose(words.actions.archive);
  await expect(row("Tides of the year")).toHaveCount(0);
  await expect(guest.getByRole("link", { name: /Tides of the year/ })).toHaveCount(0);
  await page.getByRole("button", { name: words.actions.undo }).click();
  await expect(row("Tides of the year")).toBeVisible();
  await menu("Tides of the year");
  await choose(words.actions.archive);
  await page.getByRole("link", { name: words.archive.link(1) }).click();
  await expect(page.getByRole("heading", { name: words.archive.title, level: 1 })).toBeVisible();
  const away = page.getByRole("main").getByRole("button", { name: words.sessions.more("Tides of the year") });
  await expect(away).toBeAttached();
  await picture("33-archived");

  // The whole chat, as a document that is made here.
  await away.focus();
  await page.keyboard.press("Enter");
  for (const [choice, ending, part] of [
    [words.actions.exportMarkdown, "md", "# Tides of the year"],
    [words.actions.exportJson, "json", '"format": "towline.session"'],
  ] as const) {
    const download = page.waitForEvent("download");
    await choose(choice);
    const file = await download;
    expect(file.suggestedFilename()).toBe(`Tides-of-the-year.${ending}`);
    const text = await readFile(await file.path(), "utf8");
    expect(text).toContain(part);
    expect(text).toContain("Tide table");
    await page.getByRole("dialog").getByRole("button", { name: words.close }).click();
    await away.focus();
    await page.keyboard.press("Enter");
  }
  await choose(words.actions.restore);
  await expect(page.getByText(words.archive.emptyTitle)).toBeVisible();
  await toList();
  await expect(row("Tides of the year")).toBeVisible();

  // Deleting says what goes and what stays, and takes it from everybody.
  await guest.getByRole("link", { name: /Harbour lights/ }).click();
  await expect(screen.log(guest)).toContainText("w3");
  await menu("Harbour lights");
  await choose(words.actions.remove);
  await expect(page.getByText(words.actions.removeHere)).toBeVisible();
  await picture("34-delete");
  await choose(words.actions.removeYes);
  await expect(row("Harbour lights")).toHaveCount(0);
  await expect(guest.getByText(words.transcript.missingTitle)).toBeVisible();
  await guest.getByRole("main").getByRole("link", { name: words.transcript.missingNext }).click();
  await expect(guest.getByRole("link", { name: /Café menu/ })).toBeVisible();
  await expect(guest.getByRole("link", { name: /Harbour lights/ })).toHaveCount(0);
  await guest.context().close();
});

/** How many turns the hub counts as ended and not read. */
function unreadTurns(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const { facts } = (await (await fetch("/v1/lists")).json()) as { facts: { type: string; key: string; value?: { endedTurns: number; readTurns: number } }[] };
    const read = new Map(facts.filter((fact) => fact.type === "read_mark").map((fact) => [fact.key, fact.value?.readTurns ?? 0]));
    const sessions = facts.filter((fact) => fact.type === "session");
    return sessions.reduce((sum, { key, value }) => sum + Math.max(0, (value?.endedTurns ?? 0) - (read.get(key) ?? 0)), 0);
  });
}
