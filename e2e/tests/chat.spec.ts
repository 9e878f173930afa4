// What a person does in a chat stays theirs while the chat goes on: the focus, the words they type, and how often a thing is done.

import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("with the details open, whoever types goes on typing while the agent talks", async ({ towline, page }) => {
  await page.setViewportSize({ width: 1280, height: 800 });
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 20]] [[words 200]]" });
  await screen.expectWords(page, 1);
  const [details, opener] = [page.getByRole("complementary", { name: words.details.title }), page.getByRole("button", { name: words.details.open })];
  await opener.click();
  await expect(details.getByRole("button", { name: words.close })).toBeFocused();
  const box = page.getByLabel(words.composer.label, { exact: true });
  await box.click();
  const before = await screen.wordsSeen(page);
  await page.keyboard.type("allow and deny. next", { delay: 50 });
  expect(await screen.wordsSeen(page), "the agent talked meanwhile").toBeGreaterThan(before);
  await expect(box).toHaveValue("allow and deny. next");
  await expect(details).toBeVisible();
  // Escape closes them, and the focus stays with whoever writes; from within it goes back to where they were opened.
  await page.keyboard.press("Escape");
  await expect(details).toHaveCount(0);
  await expect(box).toBeFocused();
  await opener.click();
  await expect(details.getByRole("button", { name: words.close })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(opener).toBeFocused();
});

test("what was stopped is sent again once, however often the button is tapped", async ({ towline, page, browser }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 50]] [[words 60]]" });
  await screen.expectWords(page, 2);
  await screen.stop(page);
  const other = await (await browser.newContext({ viewport: { width: 390, height: 844 } })).newPage();
  await screen.pairAnother(other, towline, { name: "Tablet" });
  await other.goto(page.url());
  const ways = (at: typeof page) => screen.log(at).getByRole("button", { name: words.delivery.ways }).first();
  const again = (at: typeof page) => screen.log(at).getByRole("button", { name: words.delivery.again, exact: true });
  for (const at of [page, other]) await ways(at).click();
  await expect(again(other)).toBeVisible();
  await again(page).evaluate((button: HTMLElement) => {
    for (let taps = 0; taps < 5; taps += 1) button.click();
  });
  await expect(again(page)).toHaveCount(0);
  await expect(screen.log(page).getByRole("button", { name: words.delivery.sentAgain })).toBeVisible();
  // The other device has nothing to press either.
  await expect(again(other)).toHaveCount(0);
  await screen.expectSettled(page, 2);
  expect((await towline.rows("commands")).filter((each) => each.text === "[[rate 50]] [[words 60]]")).toHaveLength(2);
  await other.context().close();
});

test("what is typed into a message that waits is there when it has begun, and after a reload", async ({ towline, page, shoot }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 30]] [[words 300]]" });
  await screen.expectWords(page, 1);
  await screen.say(page, "[[say two]]");
  await expect(screen.messages(page).last()).toContainText(words.transcript.queuedPlace(1));
  await screen.messages(page).last().getByRole("button", { name: words.delivery.edit, exact: true }).click();
  const box = screen.log(page).getByLabel(words.delivery.editLabel);
  await box.fill("[[say three]]");
  await page.reload();
  await expect(box).toHaveValue("[[say three]]");
  await expect(screen.messages(page).last()).toHaveAttribute("data-delivery", "queued");
  await box.focus();

  // The turn ends, and the message begins as it was; its person types on.
  await expect(screen.log(page).getByText(words.delivery.lateEdit)).toBeVisible();
  await expect(box).toBeFocused();
  await shoot("light-72-late-edit");
  await expectAccessible(page);
  await page.keyboard.type(" [[say four]]");
  await expect(screen.log(page)).toContainText("two");
  await expect(box).toHaveValue("[[say three]] [[say four]]");
  await page.reload();
  await expect(box).toHaveValue("[[say three]] [[say four]]");
  await screen.log(page).getByRole("button", { name: words.delivery.lateSend }).click();
  await expect(box).toHaveCount(0);
  await screen.expectSettled(page, 3);
  await expect(screen.messages(page).last()).toContainText("[[say three]] [[say four]]");
});

test("a stop that the hub does not take says why, and is pressed again", async ({ towline, page, shoot }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  let refusals = 1;
  await page.routeWebSocket(/\/v1\/connect$/, (socket) => {
    const hub = socket.connectToServer();
    socket.onMessage((text) => {
      const frame = JSON.parse(String(text)) as { type: string; req?: number; command?: { body?: { kind?: string } } };
      if (frame.type !== "command" || frame.command?.body?.kind !== "cancel_turn" || refusals === 0) return hub.send(text);
      refusals -= 1;
      socket.send(JSON.stringify({ type: "error", req: frame.req, sub: null, problem: { type: "about:blank", title: "queue full", status: 409, code: "queue_full", detail: null, hint: null } }));
    });
  });
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 50]] [[words 400]]" });
  await screen.expectWords(page, 2);
  const stop = page.getByRole("button", { name: words.composer.stop, exact: true });
  await stop.click();
  await expect(page.getByRole("alert").filter({ hasText: words.error("queue_full") })).toBeVisible();
  await shoot("light-73-stop-refused");
  await expectAccessible(page);
  await screen.stop(page);
  await expect(page.getByRole("alert").filter({ hasText: words.error("queue_full") })).toHaveCount(0);
  await screen.expectSettled(page, 1);
});

test("a card that was opened stays open while a message waits behind its turn", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  const looks = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `[[look]][[say step ${from + n} done]]`).join("");
  // The place of the message that waits is among the first 32 of the chat; the turn that runs goes on far beyond them.
  await screen.startChat(page, { agent: screen.DEMO, text: `[[rate 0]]${looks(0, 8)}[[sleep 6000]]${looks(8, 40)}` });
  await expect(screen.log(page).locator(".line")).toHaveCount(17);
  const card = screen.log(page).locator("section[data-tool]").first();
  await card.locator(".tool-head").click();
  await expect(card.locator(".tool-body")).toBeVisible();
  const element = await card.elementHandle();
  await screen.say(page, "[[say at last]]");
  await expect(screen.messages(page).last()).toContainText(words.transcript.queuedPlace(1));
  await screen.expectSettled(page, 2);
  expect(Number(await screen.log(page).locator(".line").last().getAttribute("data-place"))).toBeGreaterThan(64);
  expect(await element?.evaluate((node) => node.isConnected), "its line was not made anew").toBe(true);
  await expect(card.locator(".tool-body")).toBeVisible();
});
