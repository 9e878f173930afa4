// Networks that take no socket, and addresses that browsers do not trust: said in words, and nothing is claimed that is not so.

import path from "node:path";
import { chromium } from "@playwright/test";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import { Network } from "../support/network.ts";
import * as screen from "../support/screen.ts";
import { Towline } from "../support/towline.ts";

const { words } = screen;

test("a network that takes no socket and cuts streams off is named, and nothing is said to be online", async ({ towline, page, shoot }) => {
  test.setTimeout(120_000);
  await screen.pairFirst(page, towline);
  await page.routeWebSocket(/\/v1\/connect$/, (socket) => void socket.close({ code: 1006 as never }).catch(() => {}));
  await page.route(/\/v1\/stream\//, (route) => route.abort());
  await page.reload();
  await expect(page.locator(".sign-said").filter({ visible: true }).first()).toContainText(words.connection.blocked(0), { timeout: 60_000 });
  await expect(page.locator(".hosts")).toContainText(words.machines.state("unknown"));
  await expect(page.getByText(words.page.blocked)).toBeVisible();
  expect(await page.evaluate(() => Math.max(...[...document.querySelectorAll("main *")].map((each) => each.getBoundingClientRect().right)) - innerWidth), "nothing is wider than the screen").toBeLessThanOrEqual(0);
  await shoot("light-41-blocked");
  await expectAccessible(page);
});

test("a part of the page that cannot be fetched is said so, and takes nothing else along", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await page.route(/\/assets\/Devices-[^/]*\.js$/, (route) => route.abort());
  await page.getByRole("link", { name: words.devices.link }).click();
  await expect(page.getByRole("heading", { name: words.page.partTitle })).toBeVisible();
  await expectAccessible(page);
  await page.unroute(/\/assets\/Devices-[^/]*\.js$/);
  await page.getByRole("button", { name: words.boot.reload }).click();
  await expect(page.getByRole("heading", { name: words.devices.title, level: 1 })).toBeVisible();
});

test("keys do what they say, lie still below a dialog, and can be switched off", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await page.keyboard.press("?");
  const keys = page.getByRole("dialog", { name: words.keys.title });
  await expect(keys).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("n");
  await expect(keys).toBeVisible();
  await expect(page).not.toHaveURL(/\/new$/);
  await page.keyboard.press("Escape");
  await expect(keys).toHaveCount(0);
  await page.getByRole("link", { name: words.devices.link }).click();
  await page.getByLabel(words.keys.single).uncheck();
  await page.getByRole("heading", { name: words.devices.title, level: 1 }).click();
  await page.keyboard.press("n");
  await page.keyboard.press("?");
  await expect(page).toHaveURL(/\/devices$/);
  await expect(keys).toHaveCount(0);
  await page.reload();
  await expect(page.getByLabel(words.keys.single)).not.toBeChecked();
  await page.getByLabel(words.keys.single).check();
  await page.getByRole("heading", { name: words.devices.title, level: 1 }).click();
  await page.keyboard.press("n");
  await expect(page).toHaveURL(/\/new$/);
});

test("from plain HTTP the page says why it cannot be installed, and makes a QR code that another device can open", async ({ folder, project, launchOptions }, testInfo) => {
  const network = await Network.make(folder);
  if (typeof network === "string") {
    testInfo.annotations.push({ type: "not shown", description: network });
    test.skip(true, network);
    return;
  }
  const program = process.env.TOWLINE_BIN;
  if (!program) throw new Error("TOWLINE_BIN is not set");
  const towline = await Towline.start({ folder, projects: [project], agents: {}, agentVariables: {}, binary: await network.inside(path.resolve(program)), args: ["--lan", "--pair-once"] });
  const browser = await chromium.launch({ ...launchOptions, executablePath: await network.inside(String(launchOptions.executablePath)) });
  try {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 });
    const page = await context.newPage();
    const warned: string[] = [];
    page.on("console", (message) => warned.push(message.text()));
    await screen.pairFirst(page, towline);
    await page.getByRole("link", { name: words.devices.link }).click();
    const { origin } = new URL(page.url());
    await expect(page.getByText(words.install.insecure(origin))).toBeVisible();
    await page.getByRole("button", { name: words.devices.pair }).click();
    await expect(page.getByRole("img", { name: words.devices.qr })).toBeVisible();
    await expect(page.getByText(words.devices.type(`${origin}/pair`))).toBeVisible();
    await page.screenshot({ path: path.join(testInfo.config.rootDir, "..", ".out", "screens", "phone-light-24-devices-qr.png") });
    await expectAccessible(page);
    expect(warned.filter((text) => text.includes("Cross-Origin-Opener-Policy"))).toEqual([]);
  } finally {
    await browser.close();
    await towline.end();
    await network.end();
  }
});
