// Each screen, light and dark, phone and desktop: a picture to look at, and the rules of accessibility that a program can check.

import type { Page } from "@playwright/test";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test.use({ upArgs: [] });

test("each screen is pictured and accessible, light and dark", async ({ towline, cutProxy, page, shoot }, testInfo) => {
  testInfo.setTimeout(240_000);
  await page.emulateMedia({ reducedMotion: "reduce" });
  const picture = async (name: string) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await shoot(`${colorScheme}-${name}`);
      await screen.expectFits(page);
      await expectAccessible(page);
    }
  };
  const toList = async () => {
    await page.goto(cutProxy.url);
    await screen.expectLists(page);
  };

  await page.goto(cutProxy.url);
  await expect(page.getByRole("heading", { name: words.pair.title })).toBeVisible();
  await picture("1-pair");
  await screen.typeCode(page, cutProxy.url, "7777-7777");
  await expect(page.getByRole("heading", { name: words.pair.invalidTitle })).toBeVisible();
  await picture("2-pair-wrong-code");
  await screen.typeCode(page, cutProxy.url, towline.ready.code ?? "", "Ada's phone");
  await expect(page.getByRole("heading", { name: words.pair.waitingTitle })).toBeVisible();
  await picture("3-pair-waiting");
  const [claim] = await towline.rows("pair", "list");
  await towline.run("pair", "allow", String(claim?.pairing));
  await screen.expectLists(page);
  await expect(page.getByText(words.sessions.emptyTitle)).toBeVisible();
  await picture("4-sessions-empty");

  // A chat that is done, from beginning to end, with all that an agent does.
  await startChat(page, screen.DEMO, "Look around in this project and tell me what is here", "5-new-chat", picture);
  await screen.expectSettled(page, 1);
  await picture("6-transcript-done");
  await page.getByRole("button", { name: words.details.open }).click();
  await expect(page.getByRole("complementary", { name: words.details.title })).toBeVisible();
  await picture("7-details");

  await toList();
  await startChat(page, screen.DEMO, "Please fail halfway. [[rate 0]] [[say I begin, and then]] [[die]]");
  await expect(screen.log(page).locator('[data-turn-state="failed"]')).toBeVisible();
  await picture("8-transcript-failed");

  await toList();
  await startChat(page, screen.CLAUDE, `Add the tide table. [[think 20]] [[say I will write the tide table to]] [[tool write notes/tide-table.md # Tides\n\n- High water at six\n- Low water at noon\n- A rather long line that says which boats must be moved before the water falls, so that it has to be wrapped or scrolled]]`);
  await expect(screen.question(page)).toBeVisible();
  await picture("9-transcript-needs-you");

  await toList();
  await startChat(page, screen.DEMO, "Port the parser to Rust [[think The lexer first.]] [[look]] [[rate 150]] [[words 400]]");
  await expect.poll(() => screen.wordsSeen(page)).toBeGreaterThan(15);
  await picture("10-transcript-working");
  await screen.say(page, "And then run the tests");
  await expect(screen.messages(page).last()).toContainText(words.delivery.queued);
  await picture("11-transcript-queued");

  cutProxy.cut();
  await expect(screen.sign(page)).not.toHaveAttribute("data-connection", "live");
  await screen.say(page, "This is typed without a network");
  await expect(screen.messages(page).last()).toContainText(words.delivery.here);
  await picture("12-transcript-reconnecting");
  await page.context().setOffline(true);
  await expect(screen.sign(page)).toHaveAttribute("data-connection", "offline");
  await picture("13-transcript-offline");
  // Nothing is called online on an assumption.
  await expect(page.locator(".hosts").getByText(words.machines.state("online"))).toHaveCount(0);
  await page.context().setOffline(false);
  cutProxy.restore();
  await screen.expectLive(page);

  // The list with all there is: a chat that needs you, one that works, those of before, and a device that asks.
  await toList();
  const [offer] = await towline.rows("pair");
  const guest = await page.context().browser()?.newContext();
  const other = await guest!.newPage();
  await screen.typeCode(other, towline.ready.url, String(offer?.code), "Tablet");
  await expect(page.getByRole("region", { name: words.claims.title("Tablet") })).toBeVisible();
  await picture("14-sessions-claim");
  await page.getByRole("button", { name: words.claims.refuse }).click();
  await expect(page.getByRole("region", { name: words.claims.title("Tablet") })).toHaveCount(0);
  await picture("15-sessions");
  await guest!.close();

  await page.goto(new URL(`/s/ses_${"0".repeat(32)}`, cutProxy.url).href);
  await expect(page.getByText(words.transcript.missingTitle)).toBeVisible();
  await picture("16-missing");
});

/** Like `screen.startChat`, with a picture of the filled form. */
async function startChat(page: Page, agent: string, text: string, name?: string, picture?: (name: string) => Promise<void>): Promise<void> {
  if (name === undefined || picture === undefined) return screen.startChat(page, { agent, text });
  await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
  await page.getByRole("radio", { name: agent }).click();
  await page.getByLabel(words.newChat.promptLabel).fill(text);
  await picture(name);
  await page.getByRole("button", { name: words.newChat.start }).click();
  await expect(screen.log(page)).toBeVisible();
}
