// Two accounts of one hub in one chat, each in a browser of its own, and the machine of one of them: real processes over real sockets.

import path from "node:path";
import type { Page } from "@playwright/test";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import { HubServer, linked } from "../support/many-machines.ts";
import { closeSharing, comes, held, makeLink, openSharing, takePart } from "../support/people.ts";
import * as screen from "../support/screen.ts";
import { Towline } from "../support/towline.ts";

const { words } = screen;

const bubble = (page: Page, text: string) => screen.messages(page).filter({ hasText: text });
const status = (page: Page, address: string, body?: object): Promise<number> =>
  page.evaluate(
    ([address, body]) => fetch(address as string, body === null ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).then((answer) => answer.status),
    [address, body ?? null] as const,
  );

test("somebody is let into a chat, watches it live, asks to send, is refused, is trusted, and only watches again", async ({ folder, page, browser }, testInfo) => {
  testInfo.setTimeout(240_000);
  page.setDefaultTimeout(15_000);
  const hub = await HubServer.start(path.join(folder, "hub"), { args: ["--name", "Ada"] });
  const desk = await linked(hub, path.join(folder, "desk"), "Desk", "harbour");
  const { viewport, isMobile, hasTouch } = testInfo.project.use;
  await page.goto(hub.setupUrl);
  await screen.expectLists(page);
  const bea = await comes(hub, page, browser, "Bea", { viewport, isMobile, hasTouch, reducedMotion: "reduce" });
  // What breathes while an agent works is of another contrast at every moment.
  await page.emulateMedia({ reducedMotion: "reduce" });
  try {
    await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 40]] [[words 4000]]" });
    await screen.expectWords(page, 5);
    const session = screen.sessionOf(page);
    expect(await status(bea, `/v1/sessions/${session}/transcript`)).toBe(404);

    // By a link, which is used once; then she sees each word as it comes.
    const dialog = await openSharing(page);
    const link = await makeLink(dialog, "editor");
    await expectAccessible(page);
    await takePart(bea, link);
    await expect(dialog.locator("[data-participant]")).toContainText("Bea");
    await expect(dialog.locator(".invite-link")).toHaveCount(0);
    await closeSharing(page);
    await expect(page.getByRole("button", { name: words.sharing.with(["Bea"]) })).toBeVisible();
    await screen.expectWords(bea, 5);
    const counts: number[] = [];
    for (let look = 0; look < 20; look += 1) {
      counts.push(await screen.wordsSeen(bea));
      await bea.waitForTimeout(100);
    }
    expect(new Set(counts).size, `words seen, ten times a second: ${counts.join(" ")}`).toBeGreaterThanOrEqual(10);
    expect(await bea.evaluate(() => [document.querySelectorAll(".composer .attach-input").length, document.querySelectorAll(".hosts").length])).toEqual([0, 0]);

    // She stops the turn, as who writes may.
    await screen.stop(bea);
    await expect(screen.log(page)).toContainText(words.transcript.stoppedBy("Bea"));

    // What she sends waits for its owner, who sees every word of it; reworded, it is the new words.
    await screen.say(bea, "[[say First words.]]");
    await expect(bubble(bea, "First words.")).toHaveAttribute("data-delivery", "held");
    await expect(held(page)).toContainText("[[say First words.]]");
    await expect(held(page)).toContainText(words.sharing.asks("Bea"));
    await bubble(bea, "First words.").getByRole("button", { name: words.delivery.edit }).click();
    await bea.getByLabel(words.delivery.editLabel).fill("[[say Other words.]]");
    await bea.getByRole("button", { name: words.delivery.save }).click();
    await expect(held(page)).toContainText("[[say Other words.]]");
    await expectAccessible(page);
    await expectAccessible(bea);
    await page.goto(hub.url);
    const needs = page.locator(".sessions-group").filter({ has: page.getByRole("heading", { name: words.sessions.needsYou }) });
    await expect(needs).toContainText(words.sharing.asksShort("Bea", "[[say Other words.]]"));
    await expect(page.locator('link[rel="icon"]')).toHaveAttribute("href", "/favicon-needs.svg");
    await needs.getByRole("link").click();
    await held(page).getByRole("button", { name: words.sharing.release }).click();
    await expect(screen.log(page).getByText("Other words.", { exact: true })).toBeVisible();
    await expect(screen.log(bea).getByText("Other words.", { exact: true })).toBeVisible();
    await expect(bubble(page, "[[say Other words.]]")).toContainText("Bea");
    await expect(bubble(bea, "[[say Other words.]]")).toContainText(words.transcript.you);
    await expect(held(page)).toHaveCount(0);

    // Refused: she is told so, and it never runs. Taken back: nothing is left to be let run.
    await screen.say(bea, "[[say Never.]]");
    await held(page).getByRole("button", { name: words.sharing.refuse }).click();
    await expect(bubble(bea, "Never.")).toHaveAttribute("data-delivery", "refused");
    await expect(held(page)).toHaveCount(0);
    await bubble(bea, "Never.").getByRole("button", { name: words.dismiss }).click();
    await screen.say(bea, "[[say Regretted.]]");
    await expect(held(page)).toContainText("Regretted.");
    await bubble(bea, "Regretted.").getByRole("button", { name: words.delivery.takeBack }).click();
    await expect(held(page)).toHaveCount(0);
    await expect(bubble(bea, "Regretted.")).toHaveCount(0);

    // Of what the agent asks she may deny, and nothing else.
    await screen.say(page, "[[write secret.txt it leaks]]");
    await expect(screen.question(bea)).toContainText("secret.txt");
    await expect(screen.question(bea).getByRole("button", { name: words.approval.allow, exact: true })).toHaveCount(0);
    await expect(screen.question(bea).getByRole("button", { name: words.approval.denyWhy })).toHaveCount(0);
    await expect(screen.question(page).getByRole("button", { name: words.approval.denyWhy })).toBeVisible();
    await screen.deny(bea);
    await expect(screen.log(page).locator('[data-approval][data-state="answered"]')).toContainText(words.approval.by(words.approval.states.denied, "Bea"));

    // Trusted, what she sends runs at once, and she may allow, once.
    await page.getByRole("button", { name: words.sharing.with(["Bea"]) }).click();
    const part = page.getByRole("dialog").locator("[data-participant]");
    await part.getByRole("switch", { name: words.sharing.trustLabel("Bea") }).click();
    await expect(part.getByRole("switch")).toBeChecked();
    await expect(bea.getByRole("button", { name: /What you send runs at once/ })).toBeVisible();
    await screen.say(bea, "[[write note.txt hello]]");
    await screen.allow(bea);
    await expect(screen.log(bea).locator('[data-approval][data-state="answered"]').last()).toContainText(words.approval.by(words.approval.states.allowed, "you"));
    await expect(screen.log(page).locator('[data-approval][data-state="answered"]').last()).toContainText(words.approval.by(words.approval.states.allowed, "Bea"));

    // Who watches has nowhere to write, is refused by the hub too, and keeps what was typed.
    await bea.getByLabel(words.composer.label, { exact: true }).fill("I was going to say");
    await part.getByRole("radio", { name: words.sharing.may.viewer }).click();
    await expect(bea.locator(".watching")).toContainText("I was going to say");
    await expect(bea.getByLabel(words.composer.label, { exact: true })).toHaveCount(0);
    await expectAccessible(bea);
    const host = (await hub.rows("hosts"))[0]?.host;
    const prompt = { id: `cmd_0195b0000000700080000000000000${Math.floor(16 + Math.random() * 200).toString(16)}`, host, ttlMs: null, body: { kind: "send_prompt", session, content: { text: "x", attachments: [] } } };
    expect(await status(bea, "/v1/commands", prompt)).toBe(403);
    const asked = { ...prompt, id: prompt.id.replace("0195", "0196"), body: { kind: "cancel_turn", session, turn: null } };
    expect(await status(bea, "/v1/commands", asked)).toBe(403);
    for (const address of [`/v1/sessions/${session}`]) {
      expect(await bea.evaluate((address) => fetch(address, { method: "DELETE" }).then((answer) => answer.status), address)).toBe(404);
    }
  } finally {
    await bea.context().close();
    await desk.end();
    await hub.stop();
  }
});

test("who is taken out while they watch is told within two seconds, keeps what they wrote, and sees nothing more; who leaves, leaves", async ({ folder, page, browser }, testInfo) => {
  testInfo.setTimeout(150_000);
  page.setDefaultTimeout(15_000);
  const hub = await HubServer.start(path.join(folder, "hub"), { args: ["--name", "Ada"] });
  const desk = await linked(hub, path.join(folder, "desk"), "Desk", "harbour");
  const { viewport, isMobile, hasTouch } = testInfo.project.use;
  await page.goto(hub.setupUrl);
  await screen.expectLists(page);
  const [bea, cy] = [await comes(hub, page, browser, "Bea", { viewport, isMobile, hasTouch, reducedMotion: "reduce" }), await comes(hub, page, browser, "Cy")];
  try {
    await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 40]] [[words 4000]]" });
    await screen.expectWords(page, 5);
    const session = screen.sessionOf(page);
    let dialog = await openSharing(page);
    await takePart(bea, await makeLink(dialog, "editor"));
    await expect(dialog.locator("[data-participant]")).toHaveCount(1);
    await takePart(cy, await makeLink(dialog, "viewer"));
    await expect(dialog.locator("[data-participant]")).toHaveCount(2);
    await closeSharing(page);
    await screen.expectWords(bea, 5);
    await screen.expectWords(cy, 5);

    // Everybody sees who else is there; the machine of somebody else is a name and nothing more.
    await expect(page.getByRole("button", { name: words.sharing.with(["Bea", "Cy"]) })).toBeVisible();
    await bea.locator(".strip").click();
    await expect(bea.getByRole("dialog")).toContainText("Cy");
    await expect(bea.getByRole("dialog").getByRole("radio")).toHaveCount(0);
    await expectAccessible(bea);
    await bea.getByRole("dialog").getByRole("button", { name: words.close, exact: true }).click();
    await bea.getByLabel(words.composer.label, { exact: true }).fill("A thought that is not sent");

    // Removed in the middle of a turn.
    await page.locator(".strip").click();
    dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: words.sharing.removeLabel("Bea") }).click();
    const told = bea.getByRole("heading", { name: words.sharing.goneTitle });
    const sees = bea.evaluate(
      (title) =>
        new Promise<number>((resolve) => {
          const look = (): void => ([...document.querySelectorAll("h2")].some((head) => head.textContent === title) ? resolve(Date.now()) : void requestAnimationFrame(look));
          look();
        }),
      words.sharing.goneTitle,
    );
    const from = Date.now();
    await page.getByRole("dialog", { name: words.sharing.removeTitle("Bea") }).getByRole("button", { name: words.sharing.remove, exact: true }).click();
    const took = (await sees) - from;
    testInfo.annotations.push({ type: "told of the removal after", description: `${took} ms` });
    expect(took).toBeLessThan(2_000);
    await expect(told).toBeVisible();
    await expect(screen.log(bea)).toHaveCount(0);
    await expect(bea.locator(".unsent-text")).toHaveText("A thought that is not sent");
    await expectAccessible(bea);
    expect(await status(bea, `/v1/sessions/${session}/transcript`)).toBe(404);
    const before = await screen.wordsSeen(cy);
    await screen.expectWords(cy, before + 5);
    await bea.reload();
    await expect(bea.getByRole("heading", { name: words.transcript.missingTitle })).toBeVisible();
    await expect(bea.locator(".unsent-text")).toHaveText("A thought that is not sent");
    await bea.getByRole("button", { name: words.sharing.throwAway }).click();
    await expect(bea.locator(".unsent-text")).toHaveCount(0);
    await bea.goto(hub.url);
    await screen.expectLists(bea);
    await expect(bea.locator(".session")).toHaveCount(0);

    // Cy leaves by himself; the chat goes from his list, and he from its owner's.
    await cy.goto(hub.url);
    await expect(cy.locator(".session")).toContainText("Desk");
    await cy.locator(".session-more").click();
    await cy.getByRole("dialog").getByRole("button", { name: words.sharing.leave }).click();
    await expect(cy.getByRole("dialog")).toContainText("You see nothing of it any more");
    await cy.getByRole("dialog").getByRole("button", { name: words.sharing.leaveYes, exact: true }).click();
    await expect(cy.locator(".session")).toHaveCount(0);
    await expect(dialog.locator("[data-participant]")).toHaveCount(0);
    await closeSharing(page);
    await expect(page.locator(".strip")).toHaveCount(0);
  } finally {
    await bea.context().close();
    await cy.context().close();
    await desk.end();
    await hub.stop();
  }
});

test("a link says what it leads to, and what is wrong with it; a machine of one's own shares nothing", async ({ folder, page, browser }, testInfo) => {
  testInfo.setTimeout(150_000);
  page.setDefaultTimeout(15_000);
  const hub = await HubServer.start(path.join(folder, "hub"), { args: ["--name", "Ada"] });
  const desk = await linked(hub, path.join(folder, "desk"), "Desk", "harbour");
  await page.goto(hub.setupUrl);
  await screen.expectLists(page);
  const bea = await comes(hub, page, browser, "Bea");
  const stranger = await (await browser.newContext({ serviceWorkers: "block" })).newPage();
  try {
    await screen.startChat(page, { agent: screen.DEMO, text: "[[words 4]]" });
    await screen.expectSettled(page, 1);
    const chat = page.url();
    const dialog = await openSharing(page);
    const [first, done] = [await makeLink(dialog, "viewer"), dialog.getByRole("button", { name: words.people.done })];
    await done.click();
    const second = await makeLink(dialog, "viewer");
    await done.click();
    await expect(dialog.locator("[data-invitation]")).toHaveCount(2);
    expect(await page.content()).not.toContain(first.split("#")[1]);

    const join = async (at: Page, link: string): Promise<void> => {
      await at.goto(link);
      await at.getByRole("button", { name: words.shareLink.submit }).click();
    };
    // Nobody's browser, one's own chat, half a link: each is told what to do, and none of them uses the link up.
    await stranger.goto(first);
    await expect(stranger.getByRole("heading", { name: words.shareLink.strangerTitle })).toBeVisible();
    expect(stranger.url()).not.toContain("#");
    await expectAccessible(stranger);
    await stranger.goto(new URL("/share", hub.url).href);
    await expect(stranger.getByRole("heading", { name: words.shareLink.noSecretTitle })).toBeVisible();
    const again = await page.context().newPage();
    await join(again, first);
    await expect(again.getByRole("heading", { name: words.shareLink.ownTitle })).toBeVisible();
    await again.close();

    await dialog.locator("[data-invitation]").last().getByRole("button").click();
    await page.getByRole("dialog", { name: words.sharing.withdrawTitle }).getByRole("button", { name: words.sharing.withdraw, exact: true }).click();
    await expect(dialog.locator("[data-invitation]")).toHaveCount(1);
    await join(bea, second);
    await expect(bea.getByRole("heading", { name: words.shareLink.invalidTitle })).toBeVisible();
    await expectAccessible(bea);
    await takePart(bea, first);
    await stranger.close();
    await bea.goto(hub.url);
    await screen.expectLists(bea);
    await expect(bea.locator(".session")).toHaveCount(1);
    // The audit trail of whose chat it is has all of it.
    await page.goto(new URL("/devices", chat).href);
    await expect(page.locator(".audit").filter({ hasText: words.audit.action("participant.invite") })).toHaveCount(2);
    const joined = page.locator(".audit").filter({ hasText: words.audit.action("participant.join") });
    await expect(joined.filter({ hasText: words.audit.refused("bad_request") })).toHaveCount(1);
    await expect(joined.filter({ hasText: "Bea" })).toHaveCount(1);
  } finally {
    await bea.context().close();
    await desk.end();
    await hub.stop();
  }

  const own = await Towline.start({ folder: path.join(folder, "own"), projects: [folder], agents: {}, agentVariables: {}, args: ["--pair-once"] });
  const me = await (await browser.newContext({ serviceWorkers: "block" })).newPage();
  try {
    await screen.pairFirst(me, own);
    await screen.startChat(me, { agent: screen.DEMO, text: "[[words 4]]" });
    await screen.expectSettled(me, 1);
    await me.getByRole("button", { name: words.details.open }).click();
    await me.getByRole("button", { name: words.actions.manage }).click();
    await expect(me.getByRole("dialog").getByRole("button", { name: words.actions.rename })).toBeVisible();
    await expect(me.getByRole("dialog").getByRole("button", { name: words.sharing.share })).toHaveCount(0);
  } finally {
    await me.context().close();
    await own.end();
  }
});
