// A chat that several people share, on the screens of each of them: light and dark, phone and desktop.

import path from "node:path";
import type { Page } from "@playwright/test";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import { HubServer, linked } from "../support/many-machines.ts";
import { comes, held, makeLink, openSharing, takePart } from "../support/people.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("who shares a chat, who asks to send to it, who watches it, and who is let in no more", async ({ folder, page, browser, shoot }, testInfo) => {
  testInfo.setTimeout(240_000);
  page.setDefaultTimeout(15_000);
  const hub = await HubServer.start(path.join(folder, "hub"), { args: ["--name", "Ada"] });
  const desk = await linked(hub, path.join(folder, "desk"), "Desk", "harbour");
  const { viewport, isMobile, hasTouch, deviceScaleFactor } = testInfo.project.use;
  const picture = async (at: Page, name: string): Promise<void> => {
    for (const colorScheme of ["light", "dark"] as const) {
      await at.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      if (at === page) await shoot(`${colorScheme}-${name}`);
      else await at.screenshot({ path: `.out/screens/${testInfo.project.name}-${colorScheme}-${name}.png`, animations: "disabled" });
      await expectAccessible(at);
    }
    await screen.expectFits(at);
  };
  await page.goto(hub.setupUrl);
  await screen.expectLists(page);
  const look = { viewport, isMobile, hasTouch, deviceScaleFactor };
  const [bea, cy] = [await comes(hub, page, browser, "Bea", look), await comes(hub, page, browser, "Cy", look)];
  try {
    await screen.startChat(page, { agent: screen.DEMO, text: "Why does the login test fail on CI?" });
    await screen.expectSettled(page, 1);
    const dialog = await openSharing(page);
    await picture(page, "90-share-nobody");
    const toWrite = await makeLink(dialog, "editor");
    await dialog.getByRole("button", { name: words.people.copy }).scrollIntoViewIfNeeded();
    await picture(page, "91-share-link");
    await bea.goto(toWrite);
    await expect(bea.getByRole("heading", { name: words.shareLink.title })).toBeVisible();
    await picture(bea, "92-share-page");
    await takePart(bea, toWrite);
    await expect(dialog.locator("[data-participant]")).toHaveCount(1);
    const toWatch = await makeLink(dialog, "viewer");
    await takePart(cy, toWatch);
    await cy.goto("about:blank");
    await cy.goto(toWatch);
    await cy.getByRole("button", { name: words.shareLink.submit }).click();
    await expect(cy.getByRole("heading", { name: words.shareLink.invalidTitle })).toBeVisible();
    await picture(cy, "93-share-over");
    await cy.goBack();
    await expect(dialog.locator("[data-participant]")).toHaveCount(2);
    await makeLink(dialog, "viewer");
    await dialog.getByRole("button", { name: words.people.done }).click();
    await dialog.getByRole("heading").first().scrollIntoViewIfNeeded();
    await picture(page, "94-who-takes-part");
    await dialog.getByRole("button", { name: words.sharing.removeLabel("Cy") }).click();
    await picture(page, "95-remove");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");

    const asked = "Run the whole suite once with the retries switched off, and tell me which tests fail only when two of them run at the same time.";
    await screen.say(bea, asked);
    await expect(bea.locator('[data-delivery="held"]')).toBeVisible();
    await picture(bea, "96-waits-for-the-owner");
    await expect(held(page)).toBeVisible();
    await picture(page, "97-asks-to-send");
    await page.goto(hub.url);
    await screen.expectLists(page);
    await picture(page, "98-asks-in-the-list");
    await page.goBack();
    await held(page).getByRole("button", { name: words.sharing.refuse }).click();
    await expect(bea.locator('[data-delivery="refused"]')).toBeVisible();
    await picture(bea, "99-refused");

    await screen.say(page, "Please create a file notes.txt");
    await expect(screen.question(page)).toBeVisible();
    await expect(screen.question(bea)).toBeVisible();
    await picture(bea, "a0-may-deny");
    await cy.goto(page.url());
    await expect(screen.question(cy)).toBeVisible();
    await picture(cy, "a1-watches");
    await cy.goto(new URL("/commands", hub.url).href);
    await expect(cy.locator("[data-command]").first()).toBeVisible();
    await expect(cy.locator("[data-command]").getByRole("button")).toHaveCount(0);
    await picture(cy, "a4-commands-of-who-watches");
    await cy.goto(hub.url);
    await screen.expectLists(cy);
    await picture(cy, "a2-list-of-who-watches");
    await bea.getByLabel(words.composer.label, { exact: true }).fill("What about the flaky one?");
    await page.locator(".strip").click();
    await dialog.getByRole("button", { name: words.sharing.removeLabel("Bea") }).click();
    await page.getByRole("dialog", { name: words.sharing.removeTitle("Bea") }).getByRole("button", { name: words.sharing.remove, exact: true }).click();
    await expect(bea.getByRole("heading", { name: words.sharing.goneTitle })).toBeVisible();
    await picture(bea, "a3-shared-no-more");
  } finally {
    await bea.context().close();
    await cy.context().close();
    await desk.end();
    await hub.stop();
  }
});
