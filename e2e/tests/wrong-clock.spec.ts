// Browsers whose clocks are an hour wrong: deadlines are the hub's (W-006).

import path from "node:path";
import type { Page } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";
import { HubServer, linked } from "../support/many-machines.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

const HOUR_MS = 3_600_000;

/** Sets the clock of a page wrong before anything of it runs. */
async function setWrong(page: Page, byMs: number): Promise<void> {
  await page.addInitScript((by) => {
    const Right = Date;
    globalThis.Date = class extends Right {
      constructor(...given: unknown[]) {
        super(...((given.length === 0 ? [Right.now() + by] : given) as [number]));
      }
      static override now(): number {
        return Right.now() + by;
      }
    } as DateConstructor;
  }, byMs);
}

test("a prompt of a browser whose clock is an hour wrong waits and ends by the hub's clock", async ({ folder, page, browser }, testInfo) => {
  testInfo.setTimeout(120_000);
  page.setDefaultTimeout(15_000);
  const hub = await HubServer.start(path.join(folder, "hub"));
  const laptop = await linked(hub, path.join(folder, "laptop"), "Laptop", "api");
  const other = await (await browser.newContext()).newPage();
  try {
    await setWrong(page, HOUR_MS);
    await setWrong(other, -HOUR_MS);
    await page.goto(hub.setupUrl);
    await screen.expectLists(page);
    const [offer] = await hub.rows("pair");
    await screen.typeCode(other, hub.url, String(offer?.code), "Tablet");
    await expect.poll(async () => (await hub.rows("pair", "list")).map((claim) => claim.pairing)).toContain(offer?.pairing);
    await hub.run("pair", "allow", String(offer?.pairing));
    await screen.expectLists(other);
    for (const [at, by] of [
      [page, HOUR_MS],
      [other, -HOUR_MS],
    ] as const)
      expect(Math.round((await at.evaluate(() => Date.now()) - Date.now()) / HOUR_MS)).toBe(by / HOUR_MS);

    await laptop.stop();
    for (const [at, text] of [
      [page, "[[say Fast.]]"],
      [other, "[[say Late.]]"],
    ] as const) {
      await at.goto(hub.url);
      await expect(at.locator(".hosts")).toContainText(`Laptop${words.machines.state("offline")}`);
      await at.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
      await at.getByRole("radio", { name: screen.DEMO }).click();
      await at.getByRole("combobox", { name: words.target.keep }).selectOption({ label: "1 h" });
      await at.getByLabel(words.newChat.promptLabel).fill(text);
      await at.getByRole("button", { name: words.newChat.start }).click();
      await expect(screen.messages(at).first()).toContainText(/kept for (1 h|59 min)/);
    }
    const waiting = await hub.rows("commands", "--host", "Laptop");
    expect(waiting.map((each) => each.state)).toEqual(["queued", "queued"]);
    for (const each of waiting) {
      expect(Number(each.expiresAtMs) - Number(each.createdAtMs)).toBe(HOUR_MS);
      expect(Math.abs(Number(each.createdAtMs) - Date.now())).toBeLessThan(HOUR_MS / 2);
    }

    await laptop.restart();
    await expect(screen.log(page).getByText("Fast.", { exact: true })).toBeVisible({ timeout: 30_000 });
    await expect(screen.log(other).getByText("Late.", { exact: true })).toBeVisible({ timeout: 30_000 });
    for (const at of [page, other]) await screen.expectSettled(at, 1);
    expect((await hub.rows("commands", "--host", "Laptop")).map((each) => each.state)).toEqual(["succeeded", "succeeded"]);
  } finally {
    await other.context().close();
    await laptop.end();
    await hub.stop();
  }
});
