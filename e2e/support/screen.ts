// What a person does at a screen, by the roles and the names that they see.

import { type Locator, type Page, expect } from "@playwright/test";
import { en as words } from "../../web/src/words/en.ts";
import type { Towline } from "./towline.ts";

export { words };

export const CLAUDE = "Claude Code";
export const CODEX = "Codex";
export const DEMO = "Demo agent";

/** Types a code at the pair screen; what comes next depends on who has to confirm. */
export async function typeCode(page: Page, address: string, code: string, name?: string): Promise<void> {
  await page.goto(address);
  await page.getByLabel(words.pair.code, { exact: true }).fill(code);
  if (name !== undefined) await page.getByLabel(words.pair.name).fill(name);
  await page.getByRole("button", { name: words.pair.submit }).click();
}

/** Pairs the first device with the code of the ready line (`up --pair-once`). */
export async function pairFirst(page: Page, towline: Towline, { address = towline.ready.url, name = undefined as string | undefined } = {}): Promise<void> {
  if (towline.ready.code === null) throw new Error("the ready line has no code");
  await typeCode(page, address, towline.ready.code, name);
  await expectLists(page);
}

/** Pairs a further device, confirmed at the host. */
export async function pairAnother(page: Page, towline: Towline, { address = towline.ready.url, name = undefined as string | undefined } = {}): Promise<void> {
  const { pairing, code } = (await towline.rows("pair"))[0] as { pairing: string; code: string };
  await typeCode(page, address, code, name);
  await expect(page.getByRole("heading", { name: words.pair.waitingTitle })).toBeVisible();
  await towline.run("pair", "allow", pairing);
  await expectLists(page);
}

/** The list of chats is there and the connection is live. */
export async function expectLists(page: Page): Promise<void> {
  await expect(page.getByRole("main", { name: words.sessions.title }).or(page.getByRole("region", { name: words.sessions.title }))).toBeVisible();
  await expectLive(page);
}

/** The sign that is seen: on a wide screen there are two, which say the same. */
export function sign(page: Page): Locator {
  return page.locator("[data-connection]").filter({ visible: true }).first();
}

export async function expectLive(page: Page, { timeout = 10_000 } = {}): Promise<void> {
  await expect(sign(page)).toHaveAttribute("data-connection", "live", { timeout });
}

/** Starts a chat from the list; ends in it. */
export async function startChat(page: Page, { agent, text }: { agent: string; text: string }): Promise<void> {
  await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
  // As a finger does: `check` would not touch what is chosen already.
  await page.getByRole("radio", { name: agent }).click();
  await page.getByLabel(words.newChat.promptLabel).fill(text);
  await page.getByRole("button", { name: words.newChat.start }).click();
  await expect(log(page)).toBeVisible();
}

/** Starts a chat on a machine of several; ends in it. */
export async function startOn(page: Page, machine: string, text: string, { agent = DEMO, keep, model }: { agent?: string; keep?: string; model?: string } = {}): Promise<void> {
  const begin = page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true });
  await begin.or(page.getByRole("link", { name: words.back })).first().click();
  if (!new URL(page.url()).pathname.startsWith("/new")) await begin.click();
  await page.getByRole("group", { name: words.target.machine }).getByRole("radio", { name: new RegExp(machine) }).click();
  await page.getByRole("radio", { name: agent }).click();
  if (model !== undefined) await page.getByRole("combobox", { name: words.newChat.model }).selectOption({ label: model });
  if (keep !== undefined) await page.getByRole("combobox", { name: words.target.keep }).selectOption({ label: keep });
  await page.getByLabel(words.newChat.promptLabel).fill(text);
  await page.getByRole("button", { name: words.newChat.start }).click();
  await expect(log(page)).toBeVisible();
}

/** The session that the page shows. */
export function sessionOf(page: Page): string {
  const session = /\/s\/(ses_[0-9a-f]{32})/.exec(page.url())?.[1];
  if (session === undefined) throw new Error(`${page.url()} is no chat`);
  return session;
}

/** Sends a message in the opened chat. */
export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel(words.composer.label, { exact: true }).fill(text);
  await page.getByRole("button", { name: words.composer.send, exact: true }).click();
}

/** Everything that is said and done in the opened chat. */
export function log(page: Page): Locator {
  return page.getByRole("log", { name: words.transcript.log });
}

/** The messages of people, as far as the page has them. */
export function messages(page: Page): Locator {
  return log(page).getByRole("article");
}

/** The question that waits, and its answers. */
export function question(page: Page): Locator {
  return log(page).locator('[data-approval][data-state="pending"]');
}

export async function allow(page: Page): Promise<void> {
  await question(page).getByRole("button", { name: words.approval.allow, exact: true }).click();
}

export async function deny(page: Page): Promise<void> {
  await question(page).getByRole("button", { name: words.approval.deny, exact: true }).click();
}

/** Presses Stop; gives how long it took until the page showed the turn as stopped, in milliseconds by the page's own clock. */
export async function stop(page: Page): Promise<number> {
  const button = page.getByRole("button", { name: words.composer.stop, exact: true });
  const ends = log(page).locator('[data-turn-state="interrupted"]');
  const before = await ends.count();
  const took = button.evaluate(
    (element, count) =>
      new Promise<number>((resolve) => {
        const from: { at: number | null } = { at: null };
        element.addEventListener("click", () => (from.at = performance.now()), { once: true, capture: true });
        new MutationObserver((_, observer) => {
          if (from.at === null || document.querySelectorAll('[role="log"] [data-turn-state="interrupted"]').length <= count) return;
          observer.disconnect();
          resolve(performance.now() - from.at);
        }).observe(document.body, { subtree: true, childList: true });
      }),
    before,
  );
  await button.click();
  await expect(ends).toHaveCount(before + 1);
  await expect(page.getByRole("button", { name: new RegExp(`^(${words.composer.stop}|${words.composer.stopping})$`) })).toHaveCount(0);
  return took;
}

/** Waits until nothing of the opened chat runs or waits any more: so many messages, each at its end. */
export async function expectSettled(page: Page, count: number, { timeout = 20_000 } = {}): Promise<void> {
  await expect(messages(page)).toHaveCount(count, { timeout });
  await expect(log(page).locator('article:is([data-delivery="done"], [data-delivery="stopped"], [data-delivery="failed"])')).toHaveCount(count, { timeout });
  await expect(page.getByRole("button", { name: words.composer.stop, exact: true })).toHaveCount(0);
}

/** The words of the chat, line by line, as any reader of it must see them. */
export async function lines(page: Page): Promise<string[]> {
  return log(page).evaluate((box) => [...box.querySelectorAll("[data-place], :scope > :not(.chunk, .undrawn, [role=status])")].map((line) => line.textContent ?? ""));
}

/** Nothing is wider than what holds it, so that no finger can push a screen to the side. */
export async function expectFits(page: Page): Promise<void> {
  const wide = await page.evaluate(() =>
    [...document.querySelectorAll("*")]
      .filter((box) => box.scrollWidth > box.clientWidth + 1 && (box === document.documentElement || getComputedStyle(box).overflowY === "auto"))
      .filter((box) => box === document.documentElement || getComputedStyle(box).overflowX !== "auto" || box.matches(".chat-scroll, main"))
      .map((box) => `${box.tagName.toLowerCase()}.${box.className}: ${box.scrollWidth} of ${box.clientWidth}`),
  );
  expect(wide).toEqual([]);
}

/** Reads the chat backwards, as somebody who scrolls up does, until its first line is there. */
export async function toBeginning(page: Page, { timeout = 30_000 } = {}): Promise<void> {
  const beginning = page.getByText(words.transcript.beginning, { exact: true });
  await expect(async () => {
    await page.locator(".chat-scroll").evaluate((frame) => frame.scrollTo(0, 0));
    await expect(beginning).toBeAttached({ timeout: 500 });
  }).toPass({ timeout, intervals: [50] });
}

/** The last of the words `w1 w2 …` that is to be seen; 0 when there is none. */
export async function wordsSeen(page: Page): Promise<number> {
  const text = (await lines(page)).join("\n");
  return Math.max(0, ...[...text.matchAll(/\bw(\d+)\b/g)].map((found) => Number(found[1])));
}

/** Waits until so many of the words are to be seen; an agent that has to be started first may take a while. */
export async function expectWords(page: Page, least: number): Promise<void> {
  await expect.poll(() => wordsSeen(page), { timeout: 30_000, intervals: [50] }).toBeGreaterThanOrEqual(least);
}

/** The words `w1 … wN`, as they stand in an answer. */
export function counted(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, at) => `w${from + at}`).join(" ");
}
