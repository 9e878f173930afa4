// How a device comes in, and how it goes.

import type { Browser, Page } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

/** A browser of somebody else: nothing is shared with the first one. */
async function another(browser: Browser): Promise<Page> {
  return (await browser.newContext({ viewport: { width: 390, height: 844 } })).newPage();
}

/** Everything that a page of this origin keeps on the device. */
async function kept(page: Page): Promise<{ local: string[]; session: string[]; databases: string[] }> {
  return page.evaluate(async () => ({
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
    databases: (await indexedDB.databases()).map((database) => database.name ?? ""),
  }));
}

test.describe("where somebody has to confirm", () => {
  test.use({ upArgs: [] });

  test("a wrong code is refused in words, and the right one waits for the person at the machine", async ({ towline, page }) => {
    await page.goto(towline.ready.url);
    await expect(page).toHaveURL(/\/pair$/);
    await expect(page.getByRole("button", { name: words.pair.submit })).toBeDisabled();
    await screen.typeCode(page, towline.ready.url, "7777-7777");
    await expect(page.getByRole("heading", { name: words.pair.invalidTitle })).toBeVisible();
    await expect(page.getByText(words.pair.invalid)).toBeVisible();
    await page.getByRole("button", { name: words.pair.again }).click();

    // Typed as people type: small, without the hyphen.
    await page.getByLabel(words.pair.code, { exact: true }).pressSequentially((towline.ready.code ?? "").replace("-", "").toLowerCase());
    await page.getByLabel(words.pair.name).fill("Ada's phone");
    await page.getByRole("button", { name: words.pair.submit }).click();
    await expect(page.getByRole("heading", { name: words.pair.waitingTitle })).toBeVisible();
    const shown = await page.locator(".pair-words").textContent();
    const claims = await towline.rows("pair", "list");
    expect(claims).toHaveLength(1);
    expect(claims[0]).toMatchObject({ name: "Ada's phone", words: shown });
    expect((await towline.rows("devices")).map((device) => device.name), "it is not in before somebody says so").not.toContain("Ada's phone");

    await towline.run("pair", "allow", String(claims[0]?.pairing));
    await screen.expectLists(page);
    expect((await towline.rows("devices")).map((device) => device.name)).toContain("Ada's phone");
  });

  test("whom the machine refuses reads so", async ({ towline, page }) => {
    await screen.typeCode(page, towline.ready.url, towline.ready.code ?? "");
    await expect(page.getByRole("heading", { name: words.pair.waitingTitle })).toBeVisible();
    const [claim] = await towline.rows("pair", "list");
    await towline.run("pair", "deny", String(claim?.pairing));
    await expect(page.getByRole("heading", { name: words.pair.rejectedTitle })).toBeVisible();
    await page.goto(towline.ready.url);
    await expect(page).toHaveURL(/\/pair$/);
  });
});

test("a browser that is in lets another one in, and refuses a third", async ({ towline, page, browser }) => {
  await screen.pairFirst(page, towline);
  for (const allowed of [true, false]) {
    const [offer] = await towline.rows("pair");
    const guest = await another(browser);
    await screen.typeCode(guest, towline.ready.url, String(offer?.code), allowed ? "Tablet" : "Stranger");
    const card = page.getByRole("region", { name: words.claims.title(allowed ? "Tablet" : "Stranger") });
    await expect(card).toBeVisible();
    await expect(card.locator(".claim-words")).toHaveText((await guest.locator(".pair-words").textContent()) ?? "");
    await card.getByRole("button", { name: allowed ? words.claims.allow : words.claims.refuse }).click();
    await expect(card).toHaveCount(0);
    if (allowed) await screen.expectLists(guest);
    else await expect(guest.getByRole("heading", { name: words.pair.rejectedTitle })).toBeVisible();
    await guest.context().close();
  }
  expect((await towline.rows("devices")).map((device) => device.name)).not.toContain("Stranger");
});

test("the code of --pair-once lets one device in, not two", async ({ towline, page, browser }) => {
  const code = towline.ready.code ?? "";
  await screen.pairFirst(page, towline);
  const guest = await another(browser);
  await screen.typeCode(guest, towline.ready.url, code);
  await expect(guest.getByRole("heading", { name: words.pair.invalidTitle })).toBeVisible();
  await guest.context().close();
});

test("the secret of the QR code leaves the address bar and comes in with its device", async ({ towline, page }) => {
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  const address = new URL(towline.ready.pairUrl ?? "");
  const secret = address.hash.slice(1);
  expect(secret.length).toBeGreaterThan(20);
  await page.goto(address.href);
  await screen.expectLists(page);
  expect(page.url()).not.toContain(secret);
  expect(asked.filter((url) => new URL(url).pathname.includes(secret) || new URL(url).search.includes(secret))).toEqual([]);
  const entries = await page.evaluate(() => JSON.stringify([history.state, Object.entries(localStorage), document.cookie]));
  expect(entries).not.toContain(secret);
  await page.goBack();
  expect(page.url()).not.toContain(secret);
});

test("a device that is revoked is out by itself, and nothing of the account stays on it", async ({ towline, page }) => {
  await screen.pairFirst(page, towline, { name: "Lost phone" });
  await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 50]] [[words 200]] a secret plan" });
  await expect.poll(() => screen.wordsSeen(page)).toBeGreaterThan(2);
  await page.getByLabel(words.composer.label, { exact: true }).fill("a draft that was not sent");
  await expect.poll(async () => (await kept(page)).local.length).toBeGreaterThan(0);
  const device = (await towline.rows("devices")).find((each) => each.name === "Lost phone");
  await towline.run("devices", "revoke", String(device?.device));
  await expect(page).toHaveURL(/\/pair$/);
  await expect(page.getByRole("heading", { name: words.pair.title })).toBeVisible();
  await expect.poll(() => kept(page)).toEqual({ local: [], session: [], databases: [] });
  await expect(page.getByText("a secret plan")).toHaveCount(0);
  await page.goBack();
  await expect(page).toHaveURL(/\/pair$/);
  expect(await page.evaluate(() => fetch("/v1/lists").then((answer) => answer.status))).toBe(401);
});
