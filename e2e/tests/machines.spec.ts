// A hub, two machines that are linked to it, one of which falls asleep, and two browsers: real processes over real sockets.

import path from "node:path";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import { HubServer, linked } from "../support/many-machines.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("a prompt goes to the machine that was chosen, waits if it sleeps, and runs once when it wakes", async ({ folder, page, browser, shoot }, testInfo) => {
  testInfo.setTimeout(150_000);
  page.setDefaultTimeout(15_000);
  const hub = await HubServer.start(path.join(folder, "hub"));
  const desk = await linked(hub, path.join(folder, "desk"), "Desk", "harbour");
  const laptop = await linked(hub, path.join(folder, "laptop"), "Laptop", "api");
  const other = await (await browser.newContext()).newPage();
  try {
    // The owner comes in by the setup link, a second browser by a code.
    await page.goto(hub.setupUrl);
    await screen.expectLists(page);
    const owner = (await hub.rows("devices")).find((device) => device.kind === "browser")?.name;
    const [offer] = await hub.rows("pair");
    await screen.typeCode(other, hub.url, String(offer?.code), "Tablet");
    await expect.poll(async () => (await hub.rows("pair", "list")).map((claim) => claim.pairing)).toContain(offer?.pairing);
    await hub.run("pair", "allow", String(offer?.pairing));
    await screen.expectLists(other);

    // On the machine that was chosen, with its own project; its words stream through the hub.
    await screen.startOn(page, "Desk", "[[rate 40]] [[words 4000]]");
    await screen.expectWords(page, 5);
    const onDesk = screen.sessionOf(page);

    // The other browser sees it under what is live elsewhere, opens it, and what it types is its own.
    const live = other.locator(".sessions-group").filter({ has: other.getByRole("heading", { name: words.elsewhere.title }) });
    await expect(live.getByRole("link")).toHaveCount(1);
    await expect(live.getByRole("link")).toContainText("Desk");
    await live.getByRole("link").click();
    await screen.expectWords(other, 5);
    await screen.say(other, "[[say After that.]]");
    const mine = screen.messages(page).filter({ hasText: "After that." });
    await expect(mine.first()).toContainText("Tablet");
    await screen.stop(other);
    await expect(screen.log(page).getByText("After that.", { exact: true })).toBeVisible();
    await other.goto(hub.url);
    await expect(live).toHaveCount(0, { timeout: 20_000 });

    // The laptop goes to sleep. What is sent to it waits in sight, and says for how long.
    await laptop.stop();
    await page.goto(hub.url);
    await expect(page.locator(".hosts")).toContainText(`Laptop${words.machines.state("offline")}`);
    await screen.startOn(page, "Laptop", "[[say First.]]", { keep: "1 h" });
    const asleep = screen.sessionOf(page);
    const bubble = (at: typeof page, text: string) => screen.messages(at).filter({ hasText: text });
    await expect(bubble(page, "First.")).toContainText(words.queue.place(1, "Laptop"));
    await expect(bubble(page, "First.")).toContainText(/kept for (1 h|59 min)/);
    await page.goto(hub.url);
    await screen.startOn(page, "Laptop", "[[say Second.]]");
    const second = screen.sessionOf(page);
    await expect(bubble(page, "Second.")).toContainText(words.queue.place(2, "Laptop"));
    await page.goto(hub.url);
    await screen.startOn(page, "Laptop", "[[say Third.]]");
    await expect(bubble(page, "Third.")).toContainText(words.queue.place(3, "Laptop"));
    await bubble(page, "Third.").getByRole("button", { name: words.delivery.moveUp }).click();
    await expect(bubble(page, "Third.")).toContainText(words.queue.place(2, "Laptop"));
    await bubble(page, "Third.").getByRole("combobox", { name: words.queue.longerLabel }).selectOption({ label: "7 days" });
    await expect(bubble(page, "Third.")).toContainText(/kept for (7 d|6 d 23 h)/);
    await shoot("light-70-waits-for-laptop-real");
    await expectAccessible(page);

    // From the other browser one is changed, and one taken back.
    await other.goto(new URL("/commands", hub.url).href);
    const row = (text: string) => other.locator("[data-command]").filter({ hasText: text });
    await row("[[say First.]]").getByRole("button", { name: words.commands.editLabel("[[say First.]]") }).click();
    await other.getByLabel(words.delivery.editLabel).fill("[[say Changed.]]");
    await other.getByRole("button", { name: words.delivery.save }).click();
    await expect(row("[[say Changed.]]")).toContainText(words.commands.badge("queued"));
    await row("[[say Second.]]").getByRole("button", { name: words.commands.cancelLabel("[[say Second.]]") }).click();
    await expect(row("[[say Second.]]")).toContainText(words.commands.badge("cancelled"));
    await expectAccessible(other);
    const listed = await hub.rows("commands", "--host", "Laptop");
    expect(listed.map((each) => [each.text, each.state, each.deviceName])).toEqual([
      ["[[say Third.]]", "queued", owner],
      ["[[say Second.]]", "cancelled", owner],
      ["[[say Changed.]]", "queued", owner],
    ]);

    // It wakes, and each that still waits runs once.
    await laptop.restart();
    await expect(screen.log(page).getByText("Third.", { exact: true })).toBeVisible({ timeout: 30_000 });
    await page.goto(new URL(`/s/${asleep}`, hub.url).href);
    await expect(screen.log(page).getByText("Changed.", { exact: true })).toBeVisible({ timeout: 30_000 });
    await screen.expectSettled(page, 1);
    await expect(row("[[say Changed.]]")).toContainText(words.commands.badge("succeeded"));
    const sessions = (await laptop.rows("sessions")).map((each) => each.session);
    expect(sessions).toHaveLength(2);
    expect(sessions).not.toContain(second);

    // A chat that vanishes while somebody looks for it is said to have, and its row goes.
    await hub.run("delete", "--yes", onDesk);
    await other.goto(new URL(`/s/${onDesk}`, hub.url).href);
    await expect(other.getByText(words.transcript.missingTitle)).toBeVisible({ timeout: 5_000 });
  } finally {
    await other.context().close();
    await laptop.end();
    await desk.end();
    await hub.stop();
  }
});
