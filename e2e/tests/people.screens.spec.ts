// A hub that several people share, on its owner's screen and on the screen of who is invited: light and dark, phone and desktop.

import path from "node:path";
import type { Page } from "@playwright/test";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import { HubServer } from "../support/many-machines.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("the owner invites somebody, who joins; an invitation is taken back and an account closed", async ({ folder, page, browser, shoot }, testInfo) => {
  testInfo.setTimeout(150_000);
  const hub = await HubServer.start(path.join(folder, "hub"));
  const { viewport } = testInfo.project.use;
  const guest = await (await browser.newContext({ viewport })).newPage();
  const picture = async (at: Page, name: string) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await at.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      if (at === page) await shoot(`${colorScheme}-${name}`);
      else await at.screenshot({ path: `.out/screens/${testInfo.project.name}-${colorScheme}-${name}.png`, animations: "disabled" });
      await expectAccessible(at);
    }
    await screen.expectFits(at);
  };
  try {
    await page.goto(hub.setupUrl);
    await screen.expectLists(page);
    await page.goto(new URL("/devices", hub.url).href);
    const people = page.getByRole("region", { name: words.people.title });
    await expect(people.locator("[data-account]")).toHaveCount(1);

    const invite = async (name: string): Promise<string> => {
      await people.getByLabel(words.people.name).fill(name);
      await people.getByRole("button", { name: words.people.invite }).click();
      const link = await people.locator(".invite-link").innerText();
      expect(link).toMatch(/\/join#[\w-]{40,}$/);
      return link;
    };
    const link = await invite("Ada");
    await people.getByRole("button", { name: words.people.copy }).scrollIntoViewIfNeeded();
    await picture(page, "75-invitation");
    // Closed, it is shown nowhere any more, also not to a page that is loaded anew.
    await people.getByRole("button", { name: words.people.done }).click();
    await page.reload();
    await expect(people.locator("[data-invitation]")).toHaveCount(1);
    expect(await page.content()).not.toContain(link.split("#")[1]);

    // Looking at the page of an invitation uses nothing up; the secret leaves the address bar.
    await guest.goto(link);
    await expect(guest.getByRole("heading", { name: words.join.title })).toBeVisible();
    expect(guest.url()).not.toContain("#");
    await picture(guest, "76-join");
    await guest.goto(link);
    await guest.getByLabel(words.pair.name).fill("Ada's tablet");
    await guest.getByRole("button", { name: words.join.submit }).click();
    await screen.expectLists(guest);
    await expect(people.locator("[data-account]")).toHaveCount(2, { timeout: 20_000 });
    await expect(people.locator("[data-invitation]")).toHaveCount(0);
    // Who is invited runs nothing: no word of others, and no way to ask.
    await guest.goto(new URL("/devices", hub.url).href);
    await expect(guest.getByRole("region", { name: words.devices.here })).toContainText("Ada's tablet");
    await expect(guest.getByRole("region", { name: words.people.title })).toHaveCount(0);
    expect(await guest.evaluate(() => Promise.all(["/v1/accounts", "/v1/invitations"].map((each) => fetch(each).then((answer) => answer.status))))).toEqual([404, 404]);

    // Used once: whoever opens it then is told so.
    await guest.goto(link);
    await guest.getByRole("button", { name: words.join.submit }).click();
    await expect(guest.getByRole("heading", { name: words.join.invalidTitle })).toBeVisible();
    await picture(guest, "77-join-over");
    await guest.goto(new URL("/join", hub.url).href);
    await expect(guest.getByRole("heading", { name: words.join.noSecretTitle })).toBeVisible();

    const second = await invite("Grace");
    await people.getByRole("button", { name: words.people.done }).click();
    await picture(page, "78-people");
    await people.getByRole("button", { name: words.people.revokeLabel("Grace") }).click();
    await page.getByRole("dialog").getByRole("button", { name: words.people.revoke, exact: true }).click();
    await expect(people.locator("[data-invitation]")).toHaveCount(0);
    await guest.goto(second);
    await guest.getByRole("button", { name: words.join.submit }).click();
    await expect(guest.getByRole("heading", { name: words.join.invalidTitle })).toBeVisible();

    await people.getByRole("button", { name: words.people.closeLabel("Ada") }).click();
    await expect(page.getByRole("dialog")).toContainText(words.people.closeStays);
    await picture(page, "79-close-account");
    await page.getByRole("dialog").getByRole("button", { name: words.people.closeYes }).click();
    await expect(people.locator("[data-account]")).toHaveCount(1);
    expect((await hub.rows("hub", "accounts")).map((each) => each.owner)).toEqual([true]);
  } finally {
    await guest.context().close();
    await hub.stop();
  }
});
