// What came to nothing is sent again by a person: a new message that names the old one, on every device, and nothing runs twice (W-013).

import path from "node:path";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import { HubServer, linked } from "../support/many-machines.ts";
import { Scribe } from "../support/scribe.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("a message that failed and one that expired are sent again, once each, whoever presses", async ({ folder, page, browser, shoot }, testInfo) => {
  testInfo.setTimeout(150_000);
  page.setDefaultTimeout(15_000);
  const scribe = await Scribe.in(folder);
  const hub = await HubServer.start(path.join(folder, "hub"));
  const desk = await linked(hub, path.join(folder, "desk"), "Desk", "harbour", {}, scribe.args);
  const other = await (await browser.newContext()).newPage();
  // Of two who press at the same moment one may find the button gone: that press ends, too.
  other.setDefaultTimeout(15_000);
  try {
    await page.goto(hub.setupUrl);
    await screen.expectLists(page);
    const [offer] = await hub.rows("pair");
    await screen.typeCode(other, hub.url, String(offer?.code), "Tablet");
    await expect.poll(async () => (await hub.rows("pair", "list")).map((claim) => claim.pairing)).toContain(offer?.pairing);
    await hub.run("pair", "allow", String(offer?.pairing));
    await screen.expectLists(other);
    const row = (at: typeof page, state: string, text: string) => at.locator(`[data-command][data-state="${state}"]`).filter({ hasText: text });
    const sent = async (text: string) => (await hub.rows("commands")).filter((each) => each.text === text);

    // The agent cannot be started. The machine tries three times, says so meanwhile, and gives up.
    await screen.startChat(page, { agent: "Scribe", text: "mark-well" });
    await screen.expectSettled(page, 1);
    // Its process of now lives on; the one of the next chat cannot be started.
    await scribe.breaks();
    await page.goto(hub.url);
    await screen.startChat(page, { agent: "Scribe", text: "mark-failed" });
    const session = screen.sessionOf(page);
    await expect(screen.messages(page).first()).toContainText(words.commands.trying(1, 3), { timeout: 20_000 });
    await expect(screen.messages(page).first()).toHaveAttribute("data-delivery", "failed", { timeout: 30_000 });
    expect(await scribe.got("mark-failed")).toBe(0);
    await other.goto(new URL("/commands", hub.url).href);
    await expect(row(other, "failed", "mark-failed")).toContainText(words.error("agent_not_started").slice(0, 30));
    await expect(row(other, "failed", "mark-failed")).toContainText(words.commands.tried(3));

    // It is mended, and the message is sent again from the chat: both are linked, on the other device, too, and it runs once.
    await scribe.isMended();
    await screen.log(page).getByRole("button", { name: words.delivery.ways }).click();
    await screen.log(page).getByRole("button", { name: words.delivery.again, exact: true }).click();
    await screen.expectSettled(page, 2);
    await expect(screen.messages(page).last()).toContainText(words.delivery.sentAgain);
    await expect(screen.messages(page).last()).toHaveAttribute("data-delivery", "done");
    await expect(row(other, "succeeded", "mark-failed")).toContainText(words.commands.again);
    await expect(row(other, "failed", "mark-failed")).toContainText(words.commands.wasRetried);
    await expect(row(other, "failed", "mark-failed").getByRole("button", { name: words.commands.retryLabel("mark-failed") })).toHaveCount(0);
    const [newer, older] = await sent("mark-failed");
    expect([newer?.retryOf, newer?.state, older?.retryOf ?? null, older?.state]).toEqual([older?.command, "succeeded", null, "failed"]);
    expect(await scribe.got("mark-failed")).toBe(1);

    // The machine sleeps, and a message expires. Two devices press at the same moment: it is sent again once, and runs once when it wakes.
    await desk.stop();
    await hub.run("send", "--session", session, "--keep", "2s", "mark-expired");
    await page.goto(new URL("/commands", hub.url).href);
    for (const at of [page, other]) await expect(row(at, "expired", "mark-expired")).toBeVisible({ timeout: 15_000 });
    await shoot("light-71-send-again-real");
    await expectAccessible(page);
    const press = (at: typeof page) => row(at, "expired", "mark-expired").getByRole("button", { name: words.commands.retryLabel("mark-expired") }).click();
    await Promise.allSettled([press(page), press(other)]);
    for (const at of [page, other]) await expect(row(at, "queued", "mark-expired")).toHaveCount(1);
    await desk.restart();
    for (const at of [page, other]) {
      await expect(row(at, "succeeded", "mark-expired")).toContainText(words.commands.again, { timeout: 30_000 });
      await expect(row(at, "expired", "mark-expired").getByRole("button", { name: words.commands.retryLabel("mark-expired") })).toHaveCount(0);
    }
    const tries = await sent("mark-expired");
    expect(tries.map((each) => each.state)).toEqual(["succeeded", "expired"]);
    expect(tries[0]?.retryOf).toBe(tries[1]?.command);
    await page.goto(new URL(`/s/${session}`, hub.url).href);
    const shown = screen.messages(page).filter({ hasText: "mark-expired" });
    await expect(shown.and(page.locator('[data-delivery="done"]'))).toHaveCount(1);
    // The device that came second is told so, and has sent nothing.
    for (const late of await shown.and(page.locator('[data-delivery="failed"]')).all()) await expect(late).toContainText(words.error("already_retried"));
    expect([await scribe.got("mark-failed"), await scribe.got("mark-expired")]).toEqual([1, 1]);
  } finally {
    await other.context().close();
    await desk.end();
    await hub.stop();
  }
});
