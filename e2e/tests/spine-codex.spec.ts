// The main job with Codex: the real codex, a phone, the real binary.

import { createHash } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Page, expect } from "@playwright/test";
import { tryAnotherWay } from "../support/another-way.ts";
import { DUMMY_KEY } from "../support/codex-environment.mjs";
import type { FakeModel } from "../support/fake-model.ts";
import { test } from "../support/fixtures.ts";
import { processesNaming } from "../support/leftovers.ts";
import * as screen from "../support/screen.ts";
import { CANARY, SecretScan } from "../support/secret-scan.ts";

const { words } = screen;

/** Starts a chat with Codex in a mode, named as people see it. */
async function startIn(page: Page, mode: string, text: string): Promise<void> {
  await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
  await page.getByRole("radio", { name: screen.CODEX }).click();
  await page.getByRole("combobox", { name: words.newChat.mode }).selectOption({ label: mode });
  await page.getByLabel(words.newChat.promptLabel).fill(text);
  await page.getByRole("button", { name: words.newChat.start }).click();
  await expect(screen.log(page)).toBeVisible();
}

/** The newest request of a prompt. */
async function asked(fakeModel: FakeModel, prompt: string) {
  return (await fakeModel.log()).filter((line) => line.event === "request" && line.prompt === prompt).at(-1);
}

test("an answer is read while it is written, and what it cost is what was counted", async ({ codexTowline: towline, fakeModel, page }) => {
  await screen.pairFirst(page, towline);
  const prompt = "Count the boats. [[think 30]] [[usage 321 54]] [[text 20]] [[hold middle]] [[rate 20]] [[text 60]] [[tool bash true]] [[say all]]";
  await screen.startChat(page, { agent: screen.CODEX, text: prompt });
  await screen.expectWords(page, 20);
  expect(await screen.wordsSeen(page)).toBe(20);
  await expect(page.getByRole("button", { name: words.composer.stop, exact: true })).toBeVisible();
  await fakeModel.release("middle");
  await screen.expectSettled(page, 1);
  await expect(screen.log(page)).toContainText(screen.counted(1, 60));
  await expect(screen.log(page).getByRole("button", { name: /^thought for/ })).toHaveAttribute("aria-expanded", "false");
  await expect(screen.log(page).locator('[data-tool][data-status="done"]')).toHaveCount(1);

  // Two requests to the model, each of which the server counted as it was told to.
  const requests = (await fakeModel.log()).filter((line) => line.event === "request" && line.prompt?.startsWith("Count the boats"));
  expect(requests).toHaveLength(2);
  await page.getByRole("button", { name: words.details.open }).click();
  const details = page.getByRole("complementary", { name: words.details.title });
  await expect(details.getByText(/642 tokens read, 108 written/)).toBeVisible();
  const transcript = await page.evaluate((session) => fetch(`/v1/sessions/${session}/transcript`).then((answer) => answer.text()), screen.sessionOf(page));
  expect(transcript).toContain(`"model":"${requests[0]?.model}"`);
});

test("a file is written when it is allowed, exactly as it was shown; what is denied is not done", async ({ codexTowline: towline, project, page }) => {
  await screen.pairFirst(page, towline);
  const tide = "High water at six\n  and again at \"half past six\" <b>today</b>\nlow water at noon";
  await startIn(page, "Ask", `[[tool write notes/tide.txt ${tide}]]`);
  const card = screen.question(page);
  await expect(card).toBeVisible();
  for (const line of tide.split("\n")) await expect(card).toContainText(line.trim());
  await expect(card).toContainText("notes/tide.txt");
  await expect(page.getByText(words.transcript.waitsForYou(screen.CODEX))).toBeVisible();
  await expect(stat(path.join(project, "notes/tide.txt")), "nothing is written before it is allowed").rejects.toThrow("ENOENT");
  await screen.allow(page);
  await screen.expectSettled(page, 1);
  expect(await readFile(path.join(project, "notes/tide.txt"), "utf8")).toBe(`${tide}\n`);
  await expect(screen.log(page).locator('[data-tool][data-status="done"]')).toHaveCount(1);

  // The model hears of it and goes on.
  await screen.say(page, "[[tool bash echo leaks > secret.txt]] [[say then not]]");
  await expect(screen.question(page)).toContainText("echo leaks > secret.txt");
  await screen.deny(page);
  await screen.expectSettled(page, 2);
  await expect(screen.log(page)).toContainText("then not");
  await expect(screen.log(page).locator('[data-approval][data-state="answered"]').last()).toContainText(words.approval.states.denied);
  await expect(screen.log(page).locator('[data-tool][data-status="denied"]')).toHaveCount(1);

  // To deny and stop is another answer: the turn ends.
  await screen.say(page, "[[tool bash touch third.txt]] [[say never said]]");
  await expect(screen.question(page)).toContainText("touch third.txt");
  await screen.question(page).getByRole("button", { name: words.approval.more, exact: true }).click();
  await screen.question(page).getByRole("button", { name: "Deny and stop" }).click();
  await screen.expectSettled(page, 3);
  await expect(screen.log(page).locator('[data-turn-state="interrupted"]')).toHaveCount(1);
  await expect(screen.log(page).locator("[data-place]").filter({ hasText: /^never said$/ })).toHaveCount(0);
  for (const file of ["secret.txt", "third.txt"]) await expect(stat(path.join(project, file))).rejects.toThrow("ENOENT");
});

test("a turn is stopped in the middle within two seconds, with the command that it runs", async ({ codexTowline: towline, folder, page }) => {
  await screen.pairFirst(page, towline);
  await startIn(page, "Auto", "[[rate 50]] [[text 400]]");
  await screen.expectWords(page, 6);
  expect(await screen.stop(page)).toBeLessThan(2_000);
  await expect(screen.log(page).locator('[data-turn-state="interrupted"]')).toContainText("Stopped");
  const kept = await screen.wordsSeen(page);
  expect(kept, "what was said stays").toBeGreaterThan(5);
  expect(kept).toBeLessThan(400);

  const sleeps = async () => ((await processesNaming(folder)) ?? []).filter(({ command }) => command === "sleep 811");
  await screen.say(page, "[[tool bash sleep 811]]");
  await expect.poll(async () => (await sleeps()).length, { timeout: 20_000 }).toBe(1);
  expect(await screen.stop(page)).toBeLessThan(2_000);
  await expect.poll(async () => (await sleeps()).length).toBe(0);
  await screen.say(page, "[[say and on we go]]");
  await screen.expectSettled(page, 3);
  await expect(screen.log(page)).toContainText("and on we go");
});

test("the model and the effort that were chosen are the ones that are asked for, also after they were changed in mid-chat", async ({ codexTowline: towline, fakeModel, page }) => {
  await screen.pairFirst(page, towline);
  await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
  await page.getByRole("radio", { name: screen.CODEX }).click();
  // The catalogue is Codex's own.
  await page.getByRole("combobox", { name: words.newChat.model }).selectOption("gpt-5.5");
  await page.getByRole("combobox", { name: words.newChat.effort }).selectOption({ label: "Low" });
  await page.getByLabel(words.newChat.promptLabel).fill("[[say one]]");
  await page.getByRole("button", { name: words.newChat.start }).click();
  await screen.expectSettled(page, 1);
  expect(await asked(fakeModel, "[[say one]]")).toMatchObject({ model: "gpt-5.5", effort: "low" });

  await page.getByRole("button", { name: words.details.open }).click();
  const details = page.getByRole("complementary", { name: words.details.title });
  await details.getByRole("combobox", { name: words.details.model }).selectOption("gpt-6.1-sol");
  await expect.poll(async () => (await towline.rows("sessions"))[0]?.model).toBe("gpt-6.1-sol");
  await details.getByRole("combobox", { name: words.details.effort }).selectOption({ label: "High" });
  await expect.poll(async () => (await towline.rows("sessions"))[0]?.effort).toBe("high");
  await details.getByRole("button", { name: words.close }).click();
  await screen.say(page, "[[say two]]");
  await screen.expectSettled(page, 2);
  expect(await asked(fakeModel, "[[say two]]")).toMatchObject({ model: "gpt-6.1-sol", effort: "high" });
});

test("a picture reaches the model, byte for byte, and a question of the plan mode is answered", async ({ codexTowline: towline, fakeModel, page }) => {
  await screen.pairFirst(page, towline);
  await startIn(page, "Plan", "[[tool ask Which way?|North|South]]");
  const card = screen.question(page);
  await expect(card).toContainText("Which way?");
  await card.getByText("South", { exact: true }).click();
  await card.getByRole("button", { name: "Answer", exact: true }).click();
  await screen.expectSettled(page, 1);
  await expect(screen.log(page)).toContainText(/done: .*South/);

  const picture = await page.screenshot({ clip: { x: 0, y: 0, width: 200, height: 120 }, scale: "css" });
  await page.getByLabel(words.attach.file).setInputFiles([{ name: "screen.png", mimeType: "image/png", buffer: picture }]);
  await expect(page.locator('.tray [data-phase="done"]')).toHaveCount(1);
  await screen.say(page, "[[say I see]]");
  await screen.expectSettled(page, 2);
  expect((await asked(fakeModel, "[[say I see]]"))?.images).toEqual([createHash("sha256").update(picture).digest("hex").slice(0, 16)]);
});

test("after a kill -9 of towline in the middle, the conversation goes on where it was", async ({ codexTowline: towline, folder, fakeModel, page }) => {
  await screen.pairFirst(page, towline);
  await startIn(page, "Ask", "first [[say remembered]]");
  await screen.expectSettled(page, 1);
  await screen.say(page, "second [[rate 50]] [[text 400]]");
  await screen.expectWords(page, 6);
  const before = ((await processesNaming(folder)) ?? []).filter(({ command }) => command.includes("app-server")).map(({ pid }) => pid);
  expect(before).toHaveLength(1);
  await towline.kill9();
  await towline.restart();
  await screen.expectLive(page, { timeout: 30_000 });
  await screen.expectSettled(page, 2, { timeout: 30_000 });
  await expect(screen.log(page).locator('[data-turn-state="interrupted"]')).toContainText(words.transcript.turnError("host_restarted"));
  const after = ((await processesNaming(folder)) ?? []).map(({ pid }) => pid);
  expect(after.filter((pid) => before.includes(pid)), "the codex of before is gone").toEqual([]);

  // Codex forgets its sandbox in a resume; the mode is given again, so it still asks.
  await screen.say(page, "third [[tool bash touch asked.txt]] [[say still here]]");
  await expect(screen.question(page)).toContainText("touch asked.txt");
  await screen.allow(page);
  await screen.expectSettled(page, 3);
  await expect(screen.log(page)).toContainText("still here");
  const typed = (await fakeModel.log()).filter((line) => line.prompt?.startsWith("third")).at(-1)?.typed ?? [];
  expect(typed.map((text) => text.split(" ")[0])).toEqual(["first", "second", "third"]);
});

test("another way is tried from an earlier message, in a chat that says what it came from", async ({ codexTowline: towline, fakeModel, page }) => {
  await screen.pairFirst(page, towline);
  await tryAnotherWay(page, { towline, fakeModel, agent: screen.CODEX });
});

test("what Codex's login and key are is in no frame, answer, log or file of ours", async ({ codexTowline: towline, codexHome, folder, project, page }) => {
  // A login as codex keeps it, besides the key of its environment; neither is a real one.
  const planted = "sk-planted-for-the-scan-0123456789abcdef";
  await writeFile(path.join(codexHome, "auth.json"), JSON.stringify({ auth_mode: "apikey", OPENAI_API_KEY: planted }), { mode: 0o600 });
  const scan = new SecretScan(page);
  await screen.pairFirst(page, towline);
  await startIn(page, "Ask", `[[tool write note.txt high water]] [[say ${CANARY}]]`);
  await screen.allow(page);
  await screen.expectSettled(page, 1);
  await screen.say(page, "[[error 401]]");
  await screen.expectSettled(page, 2);
  await page.reload();
  await screen.expectSettled(page, 2);
  await scan.expectNowhere([planted, DUMMY_KEY], { towline, folder, project });
});
