// People with accounts of their own on one hub, each in a browser of their own, and the chats that they share.

import { type Browser, type Locator, type Page, expect } from "@playwright/test";
import type { HubServer } from "./many-machines.ts";
import * as screen from "./screen.ts";

const { words } = screen;

/** Makes an account for somebody, who comes in by the invitation; the page ends in their list of chats. */
export async function comes(hub: HubServer, owner: Page, browser: Browser, name: string, options: NonNullable<Parameters<Browser["newContext"]>[0]> = {}): Promise<Page> {
  const invited = await owner.evaluate(
    (name) => fetch("/v1/invitations", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name }) }).then((answer) => answer.json() as Promise<{ link: { secret: string } }>),
    name,
  );
  const page = await (await browser.newContext({ serviceWorkers: "block", ...options })).newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(new URL(`/join#${invited.link.secret}`, hub.url).href);
  await page.getByLabel(words.pair.name).fill(`${name}'s tablet`);
  await page.getByRole("button", { name: words.join.submit }).click();
  await screen.expectLists(page);
  return page;
}

/** The dialog of who takes part, opened by its owner from the chat's details. */
export async function openSharing(owner: Page): Promise<Locator> {
  await owner.getByRole("button", { name: words.details.open }).click();
  await owner.getByRole("complementary", { name: words.details.title }).getByRole("button", { name: words.sharing.manageOwn }).click();
  await owner.getByRole("dialog").getByRole("button", { name: words.sharing.share }).click();
  const dialog = owner.getByRole("dialog");
  await expect(dialog.getByRole("button", { name: words.sharing.make })).toBeVisible();
  return dialog;
}

/** Closes it, and the details below it. */
export async function closeSharing(owner: Page): Promise<void> {
  await owner.getByRole("dialog").getByRole("button", { name: words.close, exact: true }).click();
  await expect(owner.getByRole("dialog")).toHaveCount(0);
  const details = owner.getByRole("complementary", { name: words.details.title });
  if (await details.isVisible()) await details.getByRole("button", { name: words.close, exact: true }).click();
}

/** Makes a link to the chat, as whoever it is for may do there. */
export async function makeLink(dialog: Locator, role: "viewer" | "editor"): Promise<string> {
  await dialog.getByRole("radiogroup", { name: words.sharing.as }).getByRole("radio", { name: words.sharing.may[role] }).click();
  await dialog.getByRole("button", { name: words.sharing.make }).click();
  const link = await dialog.locator(".invite-link").innerText();
  expect(link).toMatch(/\/share#[\w-]{40,}$/);
  return link;
}

/** Opens a link to a chat and takes part; the page ends in the chat. */
export async function takePart(page: Page, link: string): Promise<void> {
  // From elsewhere, as a link is opened: one that is opened over itself only changes what is behind the `#`, and the page loads anew by itself.
  await page.goto("about:blank");
  await page.goto(link);
  await expect(page.getByRole("heading", { name: words.shareLink.title })).toBeVisible();
  expect(page.url()).not.toContain("#");
  await page.getByRole("button", { name: words.shareLink.submit }).click();
  await expect(screen.log(page)).toBeVisible();
  await screen.expectLive(page);
}

/** What somebody has sent to the chat and its owner has not let run yet. */
export function held(owner: Page): Locator {
  return screen.log(owner).locator("[data-held]");
}
