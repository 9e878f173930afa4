// The main job with the demo agent, which needs no account: the same wherever the page comes from.

import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { type Page, expect } from "@playwright/test";
import * as screen from "./screen.ts";

const { words } = screen;

/** In a browser that is paired: an answer word by word, a file allowed, another denied, a turn stopped, a reload in mid-stream. */
export async function followDemo(page: Page, project: string): Promise<void> {
  await screen.startChat(page, { agent: screen.DEMO, text: "[[think A look at the sea.]] [[rate 50]] [[words 200]]" });
  await expect.poll(() => screen.wordsSeen(page), { intervals: [20] }).toBeGreaterThan(0);
  expect(await screen.wordsSeen(page)).toBeLessThan(200);
  const before = await screen.wordsSeen(page);
  await page.reload();
  await expect(screen.log(page)).toContainText(`w${before} `);
  expect(await screen.wordsSeen(page)).toBeLessThan(200);
  await screen.expectSettled(page, 1);
  await expect(screen.log(page)).toContainText(screen.counted(1, 200));
  await expect(screen.log(page).getByRole("button", { name: /^thought for/ })).toHaveAttribute("aria-expanded", "false");

  await screen.say(page, 'Create a file hello.txt that says "good morning"');
  await expect(screen.question(page)).toContainText("good morning");
  await expect(stat(path.join(project, "hello.txt"))).rejects.toThrow("ENOENT");
  await screen.allow(page);
  await screen.expectSettled(page, 2);
  expect(await readFile(path.join(project, "hello.txt"), "utf8")).toBe("good morning\n");
  await expect(screen.log(page).locator('[data-approval][data-state="answered"]')).toContainText(words.approval.states.allowed);

  await screen.say(page, "[[write secret.txt it leaks]]");
  await expect(screen.question(page)).toContainText("it leaks");
  await screen.deny(page);
  await screen.expectSettled(page, 3);
  await expect(screen.log(page).locator('[data-approval][data-state="answered"]').last()).toContainText(words.approval.states.denied);
  await expect(stat(path.join(project, "secret.txt"))).rejects.toThrow("ENOENT");

  await screen.say(page, "[[rate 50]] [[words 400]]");
  await expect.poll(async () => (await screen.lines(page)).at(-1)).toContain("w5 ");
  expect(await screen.stop(page)).toBeLessThan(2_000);
  await screen.expectSettled(page, 4);

  const live = await screen.lines(page);
  await page.reload();
  await screen.expectSettled(page, 4);
  expect(await screen.lines(page)).toEqual(live);
}
