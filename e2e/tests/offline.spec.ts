// The page opens without a network where its address is secure (loopback is), shows what waits on the device, and keeps no answer of the API.

import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test.use({ serviceWorkers: "allow" });

test("the page opens without a hub, shows the words that wait, and goes on when the hub is back", async ({ towline, cutProxy, page, shoot }) => {
  await screen.pairFirst(page, towline, { address: cutProxy.url });
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await screen.startChat(page, { agent: screen.DEMO, text: "[[words 3]] hello" });
  await screen.expectSettled(page, 1);
  const chat = page.url();
  cutProxy.cut();
  await expect(screen.sign(page)).not.toHaveAttribute("data-connection", "live");
  await screen.say(page, "[[words 2]] said without a network");
  await page.getByLabel(words.composer.label, { exact: true }).fill("half a sentence");

  await page.goto(chat);
  await expect(page.getByRole("heading", { name: words.boot.unreachableTitle })).toBeVisible();
  await expect(page.getByText("said without a network")).toBeVisible();
  await expect(page.getByText("half a sentence")).toBeVisible();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await shoot(`${colorScheme}-40-no-hub`);
    await expectAccessible(page);
  }
  // Nothing that the API said is kept.
  const kept = await page.evaluate(async () => {
    const names = await caches.keys();
    const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return requests.flat().map((request) => new URL(request.url).pathname);
  });
  expect(kept.length).toBeGreaterThan(5);
  expect(kept.filter((path) => path.startsWith("/v1"))).toEqual([]);

  cutProxy.restore();
  await screen.expectLive(page, { timeout: 30_000 });
  await screen.expectSettled(page, 2);
  await expect(page.getByLabel(words.composer.label, { exact: true })).toHaveValue("half a sentence");
});

test("the page can be installed", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  const cdp = await page.context().newCDPSession(page);
  const { errors, url } = await cdp.send("Page.getAppManifest");
  expect([errors, new URL(url).pathname]).toEqual([[], "/manifest.webmanifest"]);
  const { installabilityErrors } = await cdp.send("Page.getInstallabilityErrors");
  expect(installabilityErrors.map((error) => error.errorId).filter((id) => id !== "in-incognito")).toEqual([]);
  for (const icon of ["/icon-192.png", "/icon-512.png", "/icon-maskable-512.png", "/apple-touch-icon.png"]) {
    const answer = await page.request.get(new URL(icon, towline.ready.url).href);
    expect([answer.status(), answer.headers()["content-type"]]).toEqual([200, "image/png"]);
  }
});
