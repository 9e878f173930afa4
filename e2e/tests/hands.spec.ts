// A chat by keyboard alone, and two devices that answer the same question.

import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;
const WRITE = "[[say I will write it]] [[tool write notes/a.md # A]]";

test("a chat is read and answered by keys, and the focus is never lost", async ({ towline, page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.CLAUDE, text: WRITE });
  await expect(screen.question(page)).toBeVisible();
  // The button that was pressed goes away with its card; what it became has the focus.
  const allow = screen.question(page).getByRole("button", { name: words.approval.allow, exact: true });
  await expect(allow).toBeEnabled();
  await allow.focus();
  await page.keyboard.press("Enter");
  await expect(page.locator('[data-approval][data-state="answered"]')).toBeFocused();
  await screen.expectSettled(page, 1);

  const lines = screen.log(page).locator(".line");
  await page.getByRole("heading", { level: 1 }).filter({ visible: true }).last().focus();
  await page.keyboard.press("Enter");
  await expect(lines.last()).toBeFocused();
  await page.keyboard.press("k");
  await expect(lines.nth(-2)).toBeFocused();
  for (let steps = await lines.count(); steps > 0; steps -= 1) await page.keyboard.press("k");
  await expect(lines.first()).toBeFocused();
  await page.keyboard.press("j");
  await expect(lines.nth(1)).toBeFocused();
  await page.keyboard.press("k");
  await page.keyboard.press("c");
  await expect(page.getByRole("status").filter({ hasText: words.copied })).toHaveCount(1);
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain("I will write it");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("heading", { level: 1 }).last()).toBeFocused();

  // `d` refuses, wherever the focus is but in a box of words.
  await screen.say(page, "[[tool write notes/b.md # B]]");
  await expect(screen.question(page)).toBeVisible();
  await expect(screen.question(page).getByRole("button", { name: words.approval.deny, exact: true })).toBeEnabled();
  await page.getByRole("heading", { level: 1 }).last().focus();
  await page.keyboard.press("d");
  await expect(page.locator('[data-approval][data-state="answered"]').last()).toContainText(words.approval.states.denied);
});

test("of two answers the first counts, and whoever came later is told whose it was", async ({ towline, cutProxy, page, browser }) => {
  await screen.pairFirst(page, towline, { name: "Ada's phone" });
  await screen.startChat(page, { agent: screen.CLAUDE, text: WRITE });
  await expect(screen.question(page)).toBeVisible();
  const other = await (await browser.newContext({ viewport: { width: 390, height: 844 } })).newPage();
  await screen.pairAnother(other, towline, { address: cutProxy.url, name: "Tablet" });
  await other.goto(new URL(`/s/${screen.sessionOf(page)}`, cutProxy.url).href);
  await expect(screen.question(other)).toBeVisible();
  cutProxy.cut();
  await expect(screen.sign(other)).not.toHaveAttribute("data-connection", "live");
  await screen.deny(other);
  await expect(other.getByText(words.approval.waitingForHub)).toBeVisible();
  await screen.allow(page);
  const said = words.approval.by(words.approval.states.allowed, `${words.transcript.you} · Ada's phone`);
  await expect(page.getByText(said)).toBeVisible();
  await expect(page.getByText(words.approval.late)).toHaveCount(0);
  cutProxy.restore();
  await expect(other.getByText(said)).toBeVisible({ timeout: 30_000 });
  await expect(other.getByText(words.approval.late)).toBeVisible();
  await other.context().close();
});
