// Who allows or denies something has seen it: keys, quick fingers and held keys answer nothing that was not looked at.

import type { Page } from "@playwright/test";
import { type Line, showCards } from "../support/cards.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

/** What is asked for in each answer that this page sends from now on. */
function answers(page: Page): string[] {
  const sent: string[] = [];
  page.on("websocket", (socket) =>
    socket.on("framesent", ({ payload }) => {
      for (const [, approval, option] of String(payload).matchAll(/"approval":"apr_0*([0-9a-f]+)","option":"(\w+)"/g)) sent.push(`${approval} ${option}`);
    }),
  );
  return sent;
}

test("a key answers what is looked at, and one that is held answers once", async ({ towline, page }) => {
  const sent = answers(page);
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[say hello]]" });
  await screen.expectSettled(page, 1);
  const lines: Line[] = [{ role: "user", content: { kind: "text", text: "Go" } }, ...Array.from({ length: 24 }, (_, n): Line => ({ content: { kind: "text", text: `Line ${n}\n\nand more` } }))];
  await showCards(page, lines, "awaiting_approval", [
    { title: "the first", after: 2 },
    { title: "the second", after: 23 },
    { title: "the third", after: 24 },
  ]);
  await page.reload();
  const card = (title: string) => screen.log(page).getByRole("region", { name: title });
  await expect(card("the third")).toBeInViewport({ ratio: 1 });
  await expect(card("the third").getByRole("button", { name: words.approval.allow, exact: true })).toBeEnabled();
  await expect(card("the first")).not.toBeInViewport();

  // Several wait: the first press shows which one is meant, the second one answers it.
  await page.getByRole("heading", { level: 1 }).last().focus();
  await page.keyboard.press("a");
  await expect(card("the first")).toBeFocused();
  await expect(card("the first")).toBeInViewport({ ratio: 1 });
  expect(sent).toEqual([]);
  // Scrolled away, it is shown again before it is answered.
  await page.locator(".chat-scroll").evaluate((box) => box.scrollTo(0, box.scrollHeight));
  await expect(card("the first")).not.toBeInViewport();
  await page.keyboard.press("a");
  await expect(card("the first")).toBeInViewport({ ratio: 1 });
  expect(sent).toEqual([]);
  await page.keyboard.press("a");
  await expect.poll(() => sent).toEqual(["0 yes"]);

  // The focus decides; the key that is held goes on to nothing else.
  await card("the third").focus();
  await page.keyboard.down("d");
  for (let held = 0; held < 5; held += 1) await page.keyboard.down("d");
  await page.keyboard.up("d");
  await expect.poll(() => sent).toEqual(["0 yes", "2 no"]);
  const deny = card("the second").getByRole("button", { name: words.approval.deny, exact: true });
  await deny.focus();
  await page.keyboard.down("Enter");
  for (let held = 0; held < 5; held += 1) await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await expect.poll(() => sent).toEqual(["0 yes", "2 no", "1 no"]);
});

test("a second tap on Allow is not taken by what comes in its place", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[write one.txt 1]] [[write two.txt 2]] [[say both]]" });
  await expect(screen.question(page)).toContainText("one.txt");
  const allow = screen.question(page).getByRole("button", { name: words.approval.allow, exact: true });
  await expect(allow).toBeEnabled();
  // A finger that goes on tapping the same place, and a key, every 40 ms from before the next question is there until 300 ms after.
  const taps = await page.evaluate(async (name) => {
    const waits = () => document.querySelector('[data-approval][data-state="pending"]');
    const tap = () => [...(waits()?.querySelectorAll("button") ?? [])].find((button) => button.textContent === name)?.click();
    const first = waits()?.getAttribute("data-approval");
    tap();
    let [came, taps] = [0, 0];
    while (came === 0 || performance.now() - came < 300) {
      await new Promise((resolve) => setTimeout(resolve, 40));
      const now = waits()?.getAttribute("data-approval");
      if (now && now !== first && came === 0) came = performance.now();
      if (came > 0) taps += 1;
      tap();
      window.dispatchEvent(new KeyboardEvent("keydown", { key: "a" }));
    }
    return taps;
  }, words.approval.allow);
  expect(taps).toBeGreaterThan(2);
  await expect(screen.question(page)).toContainText("two.txt");
  await expect(screen.question(page).getByText(words.approval.sending)).toHaveCount(0);
  await expect(allow).toBeEnabled();
  await expect(screen.question(page)).toContainText("two.txt");
  await allow.click();
  await screen.expectSettled(page, 1);
  await expect(screen.log(page)).toContainText("both");
});
