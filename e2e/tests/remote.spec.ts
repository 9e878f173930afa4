// The owner's switch for devices that are not on the machine: off, they are cut off and told why; here everything goes on. A browser that
// opens Towline by another name than the machine's own is such a device: whatever stands behind that name may be a proxy.

import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;
const AWAY = "desk.test";

test.use({
  upArgs: ["--pair-once", "--host-name", AWAY],
  launchOptions: async ({ launchOptions }, use) => {
    // Both are this machine; only the name says which way a browser came.
    await use({ ...launchOptions, args: [...(launchOptions.args ?? []), `--host-resolver-rules=MAP ${AWAY} 127.0.0.1`] });
  },
});

test("remote access is switched off and on at the machine, and nobody loses a word", async ({ towline, page, browser, shoot }) => {
  await screen.pairFirst(page, towline, { name: "Here" });
  await page.getByRole("link", { name: words.devices.link }).click();
  await page.getByRole("button", { name: words.devices.pair }).click();
  const code = await page.locator(".offer-code").innerText();
  const away = await (await browser.newContext()).newPage();
  const address = `http://${AWAY}:${towline.port}`;
  await screen.typeCode(away, address, code, "Phone");
  await page.getByRole("region", { name: words.claims.title("Phone") }).filter({ visible: true }).getByRole("button", { name: words.claims.allow }).click();
  await screen.expectLists(away);
  await screen.startChat(away, { agent: screen.DEMO, text: "[[rate 20]] [[words 400]] [[say that is all]]" });
  const session = screen.sessionOf(away);
  await away.getByLabel(words.composer.label).fill("typed, and not sent yet");

  const machines = page.getByRole("region", { name: words.sessions.hosts }).filter({ visible: true });
  await expect(machines).toContainText(words.access.on(1), { timeout: 30_000 });
  await machines.getByRole("button", { name: words.access.switchOffLabel }).click();
  await expect(page.getByRole("dialog")).toContainText(words.access.text);
  await page.getByRole("dialog").getByRole("button", { name: words.access.switchOff }).click();
  await expect(machines).toContainText(words.access.off);
  await shoot("60-remote-access-off");

  // Cut off, with the reason and the next step; a page that is loaded anew hears the same, and so does the door for codes.
  await expect(away.getByRole("heading", { name: words.boot.shutTitle })).toBeVisible();
  await expect(away.getByText("typed, and not sent yet")).toBeVisible();
  await shoot("61-remote-access-off-here");
  await away.reload();
  await expect(away.getByRole("heading", { name: words.boot.shutTitle })).toBeVisible();
  const refused = await away.evaluate(async () => ((await (await fetch("/v1/pairings/claim", { method: "POST", body: "{}" })).json()) as { code: string }).code);
  expect(refused).toBe("remote_access_disabled");

  // Here everything goes on, the turn that was sent from afar too; the terminal says the same.
  await page.goto(new URL(`/s/${session}`, towline.ready.url).href);
  await expect(screen.log(page)).toContainText("that is all", { timeout: 30_000 });
  expect(await towline.run("access")).toBe("remote access: off\n");
  await towline.stop();
  await towline.restart();
  expect(await towline.run("access", "status")).toBe("remote access: off\n");
  await expect(away.getByRole("heading", { name: words.boot.shutTitle })).toBeVisible();

  await towline.run("access", "on");
  await expect(away.getByLabel(words.composer.label)).toHaveValue("typed, and not sent yet", { timeout: 30_000 });
  await expect(screen.log(away)).toContainText("that is all");
  await away.context().close();
});
