// The path of a fork, the same with every agent that can.

import { type Page, expect } from "@playwright/test";
import type { FakeModel } from "./fake-model.ts";
import * as screen from "./screen.ts";
import type { Towline } from "./towline.ts";

const { words } = screen;

/** Starts a chat, goes another way from its second message, and comes back to a chat that is as it was. */
export async function tryAnotherWay(
  page: Page,
  { towline, fakeModel, agent, shoot }: { towline: Towline; fakeModel: FakeModel; agent: string; shoot?: (name: string) => Promise<void> },
): Promise<void> {
  await screen.startChat(page, { agent, text: "[[say one]]" });
  await screen.expectSettled(page, 1);
  await screen.say(page, "[[say two]]");
  await screen.expectSettled(page, 2);
  const before = await screen.lines(page);
  const origin = page.url();
  await screen.log(page).getByRole("button", { name: words.delivery.ways }).last().click();
  await shoot?.("ways");
  await page.getByRole("button", { name: words.delivery.forkEdit }).click();
  // The words stand in the new chat, to be changed.
  await expect(page.getByLabel(words.composer.label, { exact: true })).toHaveValue("[[say two]]");
  await expect.poll(() => page.url()).not.toBe(origin);
  await screen.say(page, "[[say another way]]");
  await screen.expectSettled(page, 1);
  await expect(screen.log(page)).toContainText(words.delivery.forkedFrom);
  await shoot?.("fork");
  const asked = (await fakeModel.log()).findLast((line) => line.event === "request" && !line.side);
  expect(asked?.typed).toEqual(["[[say one]]", "[[say another way]]"]);
  await screen.log(page).getByRole("link").first().click();
  await expect.poll(() => page.url()).toBe(origin);
  expect(await screen.lines(page)).toEqual(before);
  expect(await towline.rows("sessions")).toHaveLength(2);
}
