// Several machines on the screens: their states and reasons, the list, the box for a new chat, what waits, and what was sent; light and
// dark, phone and desktop.

import { expectAccessible } from "../support/accessibility.ts";
import * as extra from "../support/extra-machines.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;
const ALL: extra.Which[] = ["laptop", "studio", "fenced", "old", "barred", "never"];

test("machines say how they are and why, and what is asked of them waits in sight", async ({ towline, page, shoot }, testInfo) => {
  testInfo.setTimeout(180_000);
  const picture = async (name: string) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await shoot(`${colorScheme}-${name}`);
      await expectAccessible(page);
    }
    await screen.expectFits(page);
  };
  await screen.pairFirst(page, towline, { name: "Ada's phone" });
  await screen.startChat(page, { agent: screen.DEMO, text: "[[say Here.]]" });
  await screen.expectSettled(page, 1);
  const own = screen.sessionOf(page);

  const [far, asks, rests] = [extra.idOf("ses", 1), extra.idOf("ses", 2), extra.idOf("ses", 3)];
  const rows = (made: extra.OwnRows) => [
    extra.session(made, 1, "studio", "working", "Port the parser to Rust", "writing lexer.rs"),
    extra.session(made, 2, "studio", "needs_input", "Fix the login test", "wants to run npm test"),
    extra.session(made, 3, "laptop", "not_loaded", "Draft the release notes", null),
    extra.command(made, 10, "laptop", rests, "queued", "Write the changelog of 2.0"),
    extra.command(made, 11, "laptop", own, "queued", "And then the notes for the users, please"),
    extra.command(made, 12, "laptop", own, "indeterminate", "Run the long migration", { attempt: 2 }),
    extra.command(made, 13, "studio", far, "failed", "Use the big model", { error: { code: "model_unavailable", retryable: false }, content: { text: "Use the big model", detail: "opus-9 is not in the catalogue", attachments: [] } }),
    extra.command(made, 14, "laptop", rests, "expired", "Look at the weather", { expiresAtMs: Date.now() - 60_000 }),
    extra.command(made, 15, "studio", far, "cancelled", "Never mind"),
    extra.command(made, 16, "studio", far, "leased", "Go on with the tests"),
  ];
  await extra.addMachines(page, ALL, rows);
  await page.reload();
  await screen.expectLive(page);

  // The transcript: what waits for the laptop, with its place and its time; what nobody knows the end of.
  const waits = screen.messages(page).filter({ hasText: "And then the notes" });
  await expect(waits).toContainText(words.queue.place(2, "Laptop"));
  await expect(waits).toContainText("23 h");
  await expect(waits.getByRole("button", { name: words.delivery.moveUp })).toBeVisible();
  await expect(waits.getByRole("button", { name: words.delivery.edit })).toBeVisible();
  await expect(waits.getByRole("combobox", { name: words.queue.longerLabel })).toBeVisible();
  await expect(screen.messages(page).filter({ hasText: "long migration" })).toContainText(words.queue.unknown("Laptop"));
  await picture("60-waits-for-laptop");

  await page.goto(towline.ready.url);
  await screen.expectLive(page);
  const list = page.getByRole("main", { name: words.sessions.title });
  const live = list.locator(".sessions-group").filter({ has: page.getByRole("heading", { name: words.elsewhere.title }) });
  await expect(live.getByRole("link")).toHaveCount(2);
  await expect(live.getByRole("link").first()).toContainText("Studio · wants to run npm test");
  await expect(list.getByRole("heading", { name: words.sessions.waitingFor("Laptop") })).toBeVisible();
  await expect(list.locator(".hosts")).toContainText(words.machines.count(2, 7));
  await picture("61-list-of-machines");

  await list.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).click();
  const machine = page.getByRole("combobox", { name: words.target.machine });
  await expect(machine.locator("option")).toHaveCount(7);
  await machine.selectOption({ label: words.target.option("Laptop", `${words.machines.state("offline")} 3h`) });
  await expect(page.getByText(words.target.waits("Laptop"))).toBeVisible();
  await expect(page.getByRole("combobox", { name: words.target.keep }).locator("option")).toHaveText(["5 min", "1 h", "24 h", "7 days"]);
  await expect(page.getByRole("group", { name: words.newChat.project }).getByRole("radio")).toHaveCount(2);
  await picture("62-new-chat-on-laptop");

  // Few machines are all in sight.
  await page.unroute("**/v1/lists");
  await extra.addMachines(page, ["laptop", "studio"]);
  await page.reload();
  const few = page.getByRole("group", { name: words.target.machine });
  await expect(few.getByRole("radio")).toHaveCount(3);
  await few.getByRole("radio", { name: /Laptop/ }).click();
  await picture("66-new-chat-with-three");
  await page.unroute("**/v1/lists");
  await extra.addMachines(page, ALL, rows);

  await page.goto(new URL("/devices", towline.ready.url).href);
  const cards = page.locator(".machine");
  await expect(cards).toHaveCount(7);
  await cards.first().scrollIntoViewIfNeeded();
  expect(await cards.evaluateAll((all) => all.map((card) => (card as HTMLElement).dataset.standing))).toEqual(["online", "offline", "never", "disabled", "old", "fenced", "online"]);
  await picture("63-machine-cards");
  await cards.nth(4).scrollIntoViewIfNeeded();
  await picture("64-machine-cards-more");

  await page.goto(new URL("/commands", towline.ready.url).href);
  const row = page.locator("[data-command]");
  await expect(row).toHaveCount(8);
  await expect(row.filter({ hasText: "Use the big model" })).toContainText(words.error("model_unavailable"));
  await expect(row.filter({ hasText: "Run the long migration" })).toContainText(words.commands.attempts(2));
  await picture("65-recent-commands");
  await page.getByLabel(words.commands.filter).selectOption({ label: "Laptop" });
  await expect(row).toHaveCount(4);
  await expect(row.first()).toContainText(words.commands.from("Ada's phone"));
});
