// No word is lost: drafts and messages that wait outlive reloads, killed browsers and networks that are away, and can be changed meanwhile.

import { rm } from "node:fs/promises";
import path from "node:path";
import { type BrowserContext, type Page, chromium } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";
import { processesNaming } from "../support/leftovers.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

const composer = (page: Page) => page.getByLabel(words.composer.label, { exact: true });

test("what was typed and what waits outlive a reload and a network that is away", async ({ towline, cutProxy, page }) => {
  await screen.pairFirst(page, towline, { address: cutProxy.url });
  await screen.startChat(page, { agent: screen.DEMO, text: "[[words 3]] hello" });
  await screen.expectSettled(page, 1);
  cutProxy.cut();
  await expect(screen.sign(page)).not.toHaveAttribute("data-connection", "live");
  await screen.say(page, "[[words 3]] sent on the train");
  const message = screen.messages(page).last();
  await expect(message).toContainText(words.delivery.here);

  // It is changed and taken back while only this device has it.
  await message.getByRole("button", { name: words.delivery.edit }).click();
  await message.getByLabel(words.delivery.editLabel).fill("[[words 3]] sent in the tunnel");
  await message.getByRole("button", { name: words.delivery.save }).click();
  await expect(message).toContainText("sent in the tunnel");
  await screen.say(page, "not to be sent after all");
  await screen.messages(page).filter({ hasText: "not to be sent" }).getByRole("button", { name: words.delivery.takeBack }).click();
  await expect(screen.log(page)).not.toContainText("not to be sent after all");
  await composer(page).fill("half a sentence");

  cutProxy.restore();
  await page.reload();
  await screen.expectLive(page);
  await expect(composer(page)).toHaveValue("half a sentence");
  await screen.expectSettled(page, 2);
  await expect(screen.messages(page).last()).toContainText("sent in the tunnel");
  await expect(screen.log(page)).not.toContainText("on the train");
  await expect(screen.log(page)).not.toContainText("not to be sent");
});

test("what was typed and what waits outlive a browser that is killed at once", async ({ towline, cutProxy, folder, launchOptions, viewport }) => {
  const profile = path.join(folder, "browser");
  const open = async (): Promise<{ context: BrowserContext; page: Page }> => {
    const context = await chromium.launchPersistentContext(profile, { ...launchOptions, viewport });
    return { context, page: context.pages()[0] ?? (await context.newPage()) };
  };
  let { context, page } = await open();
  try {
    await screen.pairFirst(page, towline, { address: cutProxy.url });
    await screen.startChat(page, { agent: screen.DEMO, text: "[[words 3]] hello" });
    await screen.expectSettled(page, 1);
    const address = page.url();
    // The browser brings the cookie to disk when it ends as it should; the words have to do without that.
    await context.close();
    ({ context, page } = await open());
    await page.goto(address);
    await screen.expectLive(page);
    cutProxy.cut();
    await expect(screen.sign(page)).not.toHaveAttribute("data-connection", "live");
    await screen.say(page, "[[words 3]] said before the end");
    await composer(page).fill("typed before the end");
    await expect(screen.messages(page).last()).toContainText(words.delivery.here);
    await kill(context, profile);

    cutProxy.restore();
    ({ context, page } = await open());
    await page.goto(address);
    await screen.expectLive(page);
    await expect(composer(page)).toHaveValue("typed before the end");
    await screen.expectSettled(page, 2);
    await expect(screen.messages(page).last()).toContainText("said before the end");
  } finally {
    await context.close();
  }
});

/** As an app is killed: no page hears of it, and nothing gets time to be written down. */
async function kill(context: BrowserContext, profile: string): Promise<void> {
  const all = (await processesNaming(profile)) ?? [];
  const main = all.find(({ command }) => !command.includes("--type="));
  if (!main) throw new Error("the browser has no process");
  const closed = new Promise((resolve) => context.once("close", resolve));
  process.kill(main.pid, "SIGKILL");
  await closed;
  await expect.poll(async () => (await processesNaming(profile))?.length).toBe(0);
  for (const lock of ["SingletonLock", "SingletonSocket", "SingletonCookie"]) await rm(path.join(profile, lock), { force: true });
}

test("a message that waits behind another is changed or taken back", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 100]] [[words 60]] long" });
  await screen.expectWords(page, 2);
  await screen.say(page, "[[words 2]] first thought");
  const waiting = screen.messages(page).last();
  await expect(waiting).toContainText(words.transcript.queuedPlace(1));
  await waiting.getByRole("button", { name: words.delivery.edit }).click();
  await waiting.getByLabel(words.delivery.editLabel).fill("[[words 2]] second thought");
  await waiting.getByRole("button", { name: words.delivery.save }).click();
  await expect(waiting).toContainText("second thought");
  await expect(waiting).not.toContainText("first thought");
  await screen.say(page, "never mind");
  // By its words: the message before it is the last one until this one is shown.
  const regretted = screen.messages(page).filter({ hasText: "never mind" });
  await regretted.getByRole("button", { name: words.delivery.takeBack }).click();
  await expect(regretted.getByRole("button", { name: words.delivery.takeBack })).toHaveCount(0);
  await page.getByRole("button", { name: words.composer.stop, exact: true }).click();
  await expect(page.locator('article[data-delivery="done"]')).toContainText("second thought");
  await expect(page.getByRole("button", { name: words.composer.stop, exact: true })).toHaveCount(0);
  await expect(page.locator('article[data-delivery="done"]').filter({ hasText: "never mind" })).toHaveCount(0);
});

test("the first message of a chat that was not started stays", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await page.goto(new URL("/new", towline.ready.url).href);
  await page.getByLabel(words.newChat.promptLabel).fill("an idea for later");
  await page.reload();
  await expect(page.getByLabel(words.newChat.promptLabel)).toHaveValue("an idea for later");
});

test("Enter chooses a word while one is composed, and sends afterwards", async ({ towline, browser }) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, hasTouch: false, isMobile: false });
  const page = await context.newPage();
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[words 2]] hello" });
  await screen.expectSettled(page, 1);
  const cdp = await context.newCDPSession(page);
  const before = 1;
  for (const [at, { steps, chosen }] of [
    { steps: ["ni", "nih", "ni hao"], chosen: "你好" },
    { steps: ["に", "にほ", "にほんご"], chosen: "日本語" },
  ].entries()) {
    await composer(page).focus();
    for (const text of steps) await cdp.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
    // The key that chooses a word: the browser reports it as part of the composition.
    await cdp.send("Input.dispatchKeyEvent", { type: "rawKeyDown", windowsVirtualKeyCode: 229, key: "Enter", code: "Enter" });
    await cdp.send("Input.dispatchKeyEvent", { type: "keyUp", windowsVirtualKeyCode: 13, key: "Enter", code: "Enter" });
    await expect(screen.messages(page)).toHaveCount(before + at);
    await cdp.send("Input.insertText", { text: chosen });
    await expect(composer(page)).toHaveValue(chosen);
    await page.keyboard.press("Enter");
    await expect(screen.messages(page)).toHaveCount(before + at + 1);
    await expect(screen.messages(page).last()).toContainText(chosen);
    await screen.expectSettled(page, before + at + 1);
  }
  await context.close();
});

test("a page that its hub has outgrown loads itself anew, once, and keeps what was typed", async ({ towline, cutProxy, page }) => {
  let loads = 0;
  page.on("load", () => (loads += 1));
  await screen.pairFirst(page, towline, { address: cutProxy.url });
  await screen.startChat(page, { agent: screen.DEMO, text: "[[words 2]] hello" });
  await screen.expectSettled(page, 1);
  await composer(page).fill("half a sentence");
  const before = loads;
  // The hub is updated: the page that it serves from now on names another script.
  await page.route(
    (url) => url.pathname === "/",
    async (route) => {
      if (route.request().resourceType() !== "fetch") return route.continue();
      const page = await (await route.fetch()).text();
      await route.fulfill({ contentType: "text/html", body: page.replace(/\/assets\/index-[^"]+\.js/, "/assets/index-another.js") });
    },
  );
  cutProxy.cut();
  await expect(screen.sign(page)).not.toHaveAttribute("data-connection", "live");
  cutProxy.restore();
  await screen.expectLive(page);
  await expect(page.getByText(words.page.newer)).toBeVisible();
  await expect.poll(() => loads, { timeout: 30_000 }).toBe(before + 1);
  await screen.expectLive(page);
  await expect(composer(page)).toHaveValue("half a sentence");
  // Still another one, which is odd: it says so, and does not load for ever.
  await expect(page.getByText(words.page.newer)).toBeVisible();
  await page.waitForTimeout(17_000);
  expect(loads).toBe(before + 1);
});
