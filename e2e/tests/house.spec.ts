// Who may come in, and how the machine is: the devices and the health screen, light and dark, phone and desktop.

import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("devices are listed, let in, removed and signed out", async ({ towline, page, browser, shoot }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  const picture = async (name: string) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await shoot(`${colorScheme}-${name}`);
      await expectAccessible(page);
    }
  };
  await screen.pairFirst(page, towline, { name: "Ada's phone" });
  await page.getByRole("link", { name: words.devices.link }).click();
  await expect(page.getByRole("heading", { name: words.devices.title, level: 1 })).toBeFocused();
  const here = page.getByRole("region", { name: words.devices.here });
  await expect(here).toContainText("Ada's phone");

  // A code made here lets another browser in; it is asked about here.
  await page.getByRole("button", { name: words.devices.pair }).click();
  const code = await page.locator(".offer-code").innerText();
  await picture("20-devices-offer");
  const guest = await (await browser.newContext()).newPage();
  await screen.typeCode(guest, towline.ready.url, code, "Tablet");
  const claim = page.getByRole("region", { name: words.claims.title("Tablet") }).filter({ visible: true });
  await claim.getByRole("button", { name: words.claims.allow }).click();
  await screen.expectLists(guest);
  await page.getByRole("main").getByRole("button", { name: words.close }).click();
  const others = page.getByRole("region", { name: words.devices.others });
  await expect(others.getByRole("listitem").filter({ hasText: "Tablet" })).toContainText(words.devices.connected, { timeout: 20_000 });
  await expect(page.getByText(words.audit.action("pairing.create")).first()).toBeVisible();
  await picture("21-devices");

  // Removing says first what will happen, and takes it out at once.
  await others.getByRole("button", { name: words.devices.removeLabel("Tablet") }).click();
  await expect(page.getByText(words.devices.removeText)).toBeVisible();
  await picture("22-devices-remove");
  await page.getByRole("dialog").getByRole("button", { name: words.devices.remove }).click();
  await expect(others).toContainText(words.devices.noOthers);
  // Its row went with the button that was pressed: the focus is at the head of the part.
  await expect(others.getByRole("heading", { name: words.devices.others })).toBeFocused();
  await expect(guest).toHaveURL(/\/pair$/);
  await guest.context().close();

  await here.getByRole("button", { name: words.devices.signOut }).click();
  await page.getByRole("dialog").getByRole("button", { name: words.devices.signOut }).click();
  await expect(page).toHaveURL(/\/pair$/);
  expect(await page.evaluate(() => fetch("/v1/me").then((answer) => answer.status))).toBe(401);
});

test("the health of the machine is told in words, worst first, and a hub that does not tell it says so", async ({ towline, page, shoot }) => {
  await screen.pairFirst(page, towline);
  const finding = (id: string, level: string, title: string, detail: string | null = null, next: string | null = null) => ({ id, level, title, detail, next });
  await page.route("**/v1/health", (route) =>
    route.fulfill({
      json: {
        checkedAtMs: Date.now(),
        findings: [
          finding("disk", "ok", "12.3 GB are free where Towline keeps its data"),
          finding("tls", "warning", "This address is plain HTTP", "http://10.0.0.2:4437", "Open it by HTTPS."),
          finding("claude", "problem", "Claude Code is not logged in", "claude 2.1 in ~/.local/bin", "Run `claude` on the machine and log in."),
        ],
      },
    }),
  );
  await page.goto(new URL("/health", towline.ready.url).href);
  await expect(page.getByText(words.health.summary(1, 1))).toBeVisible();
  expect(await page.locator("[data-level]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-level")))).toEqual(["problem", "warning", "ok"]);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await shoot(`${colorScheme}-23-health`);
    await expectAccessible(page);
  }
  await page.unroute("**/v1/health");
  await page.route("**/v1/health", (route) => route.fulfill({ status: 404, json: { status: 404, code: "not_found", title: "", detail: null, hint: "", requestId: null } }));
  await page.getByRole("button", { name: words.health.again }).click();
  await expect(page.getByText(words.health.failed.old)).toBeVisible();
  await expect(page.getByText(words.health.command)).toBeVisible();
  await expectAccessible(page);
});

test("the health that this very machine tells is shown", async ({ towline, page, shoot }) => {
  await screen.pairFirst(page, towline);
  await page.getByRole("link", { name: words.devices.link }).click();
  await page.getByRole("link", { name: words.health.link }).click();
  const told = await page.evaluate(() => fetch("/v1/health").then((answer) => answer.json() as Promise<{ findings: { title: string }[] }>));
  expect(told.findings.length).toBeGreaterThan(3);
  await expect(page.locator("[data-level]")).toHaveCount(told.findings.length, { timeout: 30_000 });
  await shoot("light-25-health-real");
  await expectAccessible(page);
});
