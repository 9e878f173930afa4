// Several readers of one session: they see the same, and none waits for another.

import type { Browser, BrowserContext, Page } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";
import { FrozenClient } from "../support/frozen.ts";
import { Reader } from "../support/reader.ts";
import * as screen from "../support/screen.ts";
import type { Towline } from "../support/towline.ts";

const { words } = screen;

/** A second device, at a desk; `end` after the test. */
async function atDesk(browser: Browser, towline: Towline): Promise<{ page: Page; reader: Reader; context: BrowserContext }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const reader = new Reader(page);
  await screen.pairAnother(page, towline, { name: "Desk" });
  return { page, reader, context };
}

test("two browsers and a tail end with the same bytes, whoever came when and lost what", async ({ towline, fakeModel, page, browser, cutProxy }) => {
  const reader = new Reader(page);
  await screen.pairFirst(page, towline, { address: cutProxy.url, name: "Phone" });
  const desk = await atDesk(browser, towline);

  // Three turns, one after another: the first reader was there from the start, the second comes in the middle of the second turn.
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[think 20]] [[rate 20]] [[text 60]]" });
  const session = screen.sessionOf(page);
  const tail = towline.run("tail", session, "--canonical", "--until-idle");
  await screen.expectSettled(page, 1);
  const early = await tail;
  await screen.say(page, "[[say second]] [[text 20]] [[hold second]] [[rate 20]] [[text 90]]");
  await expect(screen.log(page)).toContainText("second w1 w2");
  await desk.page.goto(new URL(`/s/${session}`, towline.ready.url).href);
  await expect(screen.log(desk.page)).toContainText("second w1 w2");
  // The phone loses its network for a moment in this turn.
  cutProxy.cut();
  await expect(screen.sign(page)).not.toHaveAttribute("data-connection", "live");
  await fakeModel.release("second");
  await expect(screen.log(desk.page)).toContainText("w30");
  cutProxy.restore();
  await screen.expectSettled(desk.page, 2);
  await screen.say(desk.page, "[[tool bash touch third.txt]] [[rate 20]] [[text 40]]");
  await expect(screen.question(page)).toContainText("touch third.txt");
  await expect(screen.question(desk.page)).toContainText("touch third.txt");

  // The desk answers; the phone's card goes away by itself.
  await screen.allow(desk.page);
  await expect(screen.question(page)).toHaveCount(0);
  await expect(screen.log(page).locator("[data-approval]")).toContainText(words.approval.by(words.approval.states.allowed, "You · Desk"));
  for (const each of [page, desk.page]) {
    await screen.expectSettled(each, 3);
    await expect(screen.log(each)).toContainText(screen.counted(1, 40));
  }

  const told = (await towline.run("tail", session, "--canonical", "--until-idle")).trimEnd();
  expect(told.split("\n").slice(0, early.trimEnd().split("\n").length).join("\n"), "what was settled stays as it was").toBe(early.trimEnd());
  expect(await reader.canonical()).toBe(told);
  expect(await desk.reader.canonical()).toBe(told);
  expect(await screen.lines(desk.page)).toEqual(await screen.lines(page));
  expect(told.match(/^turn /gm)).toHaveLength(3);
  await desk.context.close();
});

test("three turns in a row reach one who was there and one who comes late", async ({ towline, page, browser }) => {
  await screen.pairFirst(page, towline);
  const desk = await atDesk(browser, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 20]] [[words 30]] [[say one]]" });
  await screen.expectSettled(page, 1);
  await desk.page.goto(new URL(`/s/${screen.sessionOf(page)}`, towline.ready.url).href);
  await expect(screen.log(desk.page)).toContainText("one");
  // Two at once: the second waits for the first and says so.
  await screen.say(page, "[[rate 20]] [[words 30]] [[write gate.txt open]] [[say two]]");
  await screen.say(page, "[[rate 20]] [[words 60]] [[say three]]");
  await expect(screen.messages(desk.page).last()).toContainText(words.delivery.queued);
  await screen.allow(desk.page);
  for (const each of [page, desk.page]) {
    await screen.expectSettled(each, 3);
    for (const word of ["one", "two", "three"]) await expect(screen.log(each)).toContainText(word);
  }
  expect(await screen.lines(desk.page)).toEqual(await screen.lines(page));
  await desk.context.close();
});

/** An answer and an allowed file, as the messages `first` and the one behind it; gives how long that took, in milliseconds. */
async function steps(page: Page, first: number): Promise<number> {
  const begun = Date.now();
  await screen.say(page, "[[rate 5]] [[words 100]] [[say swift]]");
  await screen.expectSettled(page, first);
  await expect(screen.log(page)).toContainText("swift");
  await screen.say(page, `[[write swift-${first}.txt as ever]]`);
  await screen.allow(page);
  await screen.expectSettled(page, first + 1);
  return Date.now() - begun;
}

test("a client that has frozen slows nobody, and is let go", async ({ towline, page, browser }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 0]] [[words 20000]]" });
  await screen.expectSettled(page, 1, { timeout: 30_000 });
  // A device of its own, so that the hub's word on it is known; its browser goes, its credential stays.
  const desk = await atDesk(browser, towline);
  const cookie = (await desk.context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  await desk.context.close();
  const connected = async () => (await towline.rows("devices")).find((device) => device.name === "Desk")?.connected;
  await expect.poll(connected).toBe(false);

  const alone = await steps(page, 2);

  // Two hundred times the same journal is more than the kernel's buffers hold, so the hub's writes to this client stall.
  const frozen = await FrozenClient.start({ port: towline.port, cookie, streams: [`sessions/${screen.sessionOf(page)}/journal`], times: 200 });
  await expect.poll(connected).toBe(true);
  const beside = await steps(page, 4);
  expect(beside, "as fast as without it, within what a busy machine varies").toBeLessThan(2 * alone + 3_000);

  // The hub lets it go within its send timeout of 10 s, having kept little for it.
  await expect.poll(connected, { timeout: 15_000 }).toBe(false);
  const whole = 200 * 20_000 * "w10000 ".length;
  expect(await frozen.thaw()).toBeLessThan(whole);
});
