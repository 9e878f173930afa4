// The main job on real input: the real claude, a phone, the real binary.

import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "../support/fixtures.ts";
import { tryAnotherWay } from "../support/another-way.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("an answer is read while it is written, and what it cost is told", async ({ towline, fakeModel, page }) => {
  await screen.pairFirst(page, towline);
  await expect(page.getByText(words.sessions.emptyTitle)).toBeVisible();

  // The answer is held in its middle until the page has shown what came before.
  await screen.startChat(page, { agent: screen.CLAUDE, text: "Count the boats. [[think 30]] [[usage 321 54]] [[text 20]] [[hold middle]] [[rate 20]] [[text 60]]" });
  await screen.expectWords(page, 20);
  expect(await screen.wordsSeen(page)).toBe(20);
  await expect(page.getByRole("button", { name: words.composer.stop, exact: true })).toBeVisible();

  await fakeModel.release("middle");
  await screen.expectSettled(page, 1);
  await expect(screen.log(page)).toContainText(screen.counted(1, 60));
  await expect(screen.messages(page)).toContainText("Count the boats.");

  // Thoughts are folded until asked for.
  const thoughts = screen.log(page).getByRole("button", { name: /^thought for/ });
  await expect(thoughts).toHaveAttribute("aria-expanded", "false");
  await expect(screen.log(page).locator(".reasoning-text")).toHaveCount(0);
  await thoughts.click();
  await expect(screen.log(page).locator(".reasoning-text")).not.toBeEmpty();

  // Which model answered is what claude says it was, and what the server was asked for.
  const asked = (await fakeModel.log()).find((line) => line.prompt?.startsWith("Count the boats") && !line.side);
  expect(asked?.model).toBeTruthy();
  await page.getByRole("button", { name: words.details.open }).click();
  const details = page.getByRole("complementary", { name: words.details.title });
  await expect(details.getByText(words.details.byDefault("").replace("Default", "Default:"))).toHaveCount(1);
  await expect(details.getByText(/321 tokens read, 54 written/)).toBeVisible();
  const transcript = await page.evaluate((session) => fetch(`/v1/sessions/${session}/transcript`).then((answer) => answer.text()), screen.sessionOf(page));
  expect(transcript).toContain(`"model":"${asked?.model}"`);
});

test("a file is written when it is allowed, exactly as it was shown; another is not, because it is denied", async ({ towline, project, page }) => {
  await screen.pairFirst(page, towline);
  const tide = "High water at six\n  and again at \"half past six\" <b>today</b>\nlow water at noon";
  await screen.startChat(page, { agent: screen.CLAUDE, text: `[[tool write notes/tide.txt ${tide}]]` });
  const card = screen.question(page);
  await expect(card).toBeVisible();
  for (const line of tide.split("\n")) await expect(card).toContainText(line.trim());
  await expect(card).toContainText("notes/tide.txt");
  await expect(page.getByText(words.transcript.waitsForYou(screen.CLAUDE))).toBeVisible();
  await expect(stat(path.join(project, "notes/tide.txt")), "nothing is written before it is allowed").rejects.toThrow("ENOENT");

  await screen.allow(page);
  await screen.expectSettled(page, 1);
  expect(await readFile(path.join(project, "notes/tide.txt"), "utf8")).toBe(`${tide}\n`);
  await expect(screen.log(page).locator('[data-approval][data-state="answered"]')).toContainText(words.approval.states.allowed);
  await expect(screen.log(page).locator('[data-tool][data-status="done"]')).toHaveCount(1);

  await screen.say(page, "[[tool write secret.txt it leaks]]");
  await expect(screen.question(page)).toContainText("it leaks");
  await screen.deny(page);
  await screen.expectSettled(page, 2);
  await expect(screen.log(page).locator('[data-approval][data-state="answered"]').last()).toContainText(words.approval.states.denied);
  await expect(screen.log(page).locator('[data-tool][data-status="denied"]')).toHaveCount(1);
  await expect(stat(path.join(project, "secret.txt"))).rejects.toThrow("ENOENT");
});

test("a turn is stopped in the middle within two seconds, and the next one is answered", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[rate 50]] [[text 400]]" });
  await screen.expectWords(page, 6);
  expect(await screen.stop(page)).toBeLessThan(2_000);
  await expect(screen.log(page).locator('[data-turn-state="interrupted"]')).toContainText("Stopped");
  const kept = await screen.wordsSeen(page);
  expect(kept, "what was said stays").toBeGreaterThan(5);
  expect(kept).toBeLessThan(400);

  await screen.say(page, "[[say and on we go]]");
  await screen.expectSettled(page, 2);
  await expect(screen.log(page)).toContainText("and on we go");
});

test("a page that is loaded anew in mid-stream shows what was said already, and ends with the same text", async ({ towline, fakeModel, page }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[think 10]] [[rate 20]] [[text 60]] [[hold reload]] [[say and then]] [[text 90]]" });
  await screen.expectWords(page, 60);
  await page.reload();
  // Nothing new is said now: what is seen was kept, and is there at once.
  await expect(screen.log(page)).toContainText(screen.counted(1, 60));
  await expect(page.getByText(words.transcript.working(screen.CLAUDE))).toBeVisible();
  await fakeModel.release("reload");
  await expect(screen.log(page)).toContainText("and then");
  // Once more while words flow.
  await page.reload();
  await screen.expectSettled(page, 1);
  await expect(screen.log(page)).toContainText(`${screen.counted(1, 60)} and then ${screen.counted(1, 90)}`);
  const live = await screen.lines(page);
  await page.reload();
  await screen.expectSettled(page, 1);
  expect(await screen.lines(page)).toEqual(live);
});

test("a network that is lost for ten seconds costs nothing but time, and the sign says so", async ({ towline, cutProxy, page }) => {
  await screen.pairFirst(page, towline, { address: cutProxy.url });
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[rate 50]] [[text 150]]" });
  await screen.expectWords(page, 11);
  cutProxy.cut();
  const lost = Date.now();
  await expect(screen.sign(page)).not.toHaveAttribute("data-connection", "live");
  await expect(screen.sign(page)).toContainText("reconnecting");
  const seen = await screen.wordsSeen(page);
  // What is typed meanwhile is kept on this device, and its mark says so.
  await screen.say(page, "[[say typed in the dark]]");
  await expect(screen.messages(page).last()).toContainText(words.delivery.here);
  await expect.poll(() => Date.now() - lost, { timeout: 12_000 }).toBeGreaterThan(10_000);
  expect(await screen.wordsSeen(page)).toBe(seen);
  await expect(screen.sign(page)).not.toHaveAttribute("data-connection", "live");

  cutProxy.restore();
  await screen.expectLive(page, { timeout: 20_000 });
  await screen.expectSettled(page, 2);
  await expect(screen.log(page)).toContainText(screen.counted(1, 150));
  await expect(screen.log(page)).toContainText("typed in the dark");
  const live = await screen.lines(page);
  await page.reload();
  await screen.expectSettled(page, 2);
  expect(await screen.lines(page)).toEqual(live);
});

test("a network that swallows everything is found out, and left within ten seconds of a better one", async ({ towline, cutProxy, page }) => {
  await screen.pairFirst(page, towline, { address: cutProxy.url });
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[say before]]" });
  await screen.expectSettled(page, 1);
  // The connection stays, and nothing passes: only silence tells.
  cutProxy.blackHole();
  await screen.say(page, "[[say into the hole]]");
  await expect(screen.sign(page)).not.toHaveAttribute("data-connection", "live", { timeout: 45_000 });
  cutProxy.restore({ forget: true });
  await screen.expectLive(page, { timeout: 10_000 });
  await screen.expectSettled(page, 2);
  await expect(screen.log(page).getByText("into the hole", { exact: true })).toHaveCount(1);
  await page.reload();
  await screen.expectSettled(page, 2);
});

test("the model and the effort that were chosen are the ones that are asked for, also after they were changed in the middle of a chat", async ({ towline, fakeModel, page }) => {
  await screen.pairFirst(page, towline);
  await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
  await page.getByRole("radio", { name: screen.CLAUDE }).click();
  const models = page.getByRole("combobox", { name: words.newChat.model });
  const request = async (prompt: string) => (await fakeModel.log()).filter((line) => line.event === "request" && !line.side && line.prompt === prompt).at(-1);
  const asked = async (prompt: string) => (await request(prompt))?.model ?? "";
  const effort = async (prompt: string) => (await request(prompt))?.effort;
  // The catalogue is the CLI's own; the names of its models hold what it calls them.
  const [first, second] = ["Haiku", "Sonnet"];
  await models.selectOption({ label: first });
  await page.getByRole("combobox", { name: words.newChat.effort }).selectOption({ label: "Low" });
  await page.getByLabel(words.newChat.promptLabel).fill("[[say one]]");
  await page.getByRole("button", { name: words.newChat.start }).click();
  await expect(screen.log(page)).toBeVisible();
  await screen.expectSettled(page, 1);
  expect(await asked("[[say one]]")).toContain(first.toLowerCase());
  expect(await effort("[[say one]]")).toBe("low");

  await page.getByRole("button", { name: words.details.open }).click();
  const details = page.getByRole("complementary", { name: words.details.title });
  await details.getByRole("combobox", { name: words.details.model }).selectOption({ label: second });
  await expect.poll(async () => String((await towline.rows("sessions"))[0]?.model).toLowerCase()).toContain(second.toLowerCase());
  await details.getByRole("combobox", { name: words.details.effort }).selectOption({ label: "High" });
  await expect.poll(async () => (await towline.rows("sessions"))[0]?.effort).toBe("high");
  await details.getByRole("button", { name: words.close }).click();
  await screen.say(page, "[[say two]]");
  await screen.expectSettled(page, 2);
  expect(await asked("[[say two]]")).toContain(second.toLowerCase());
  expect(await effort("[[say two]]")).toBe("high");
});

test("a message that waits is moved up, and another goes into the turn that runs", async ({ towline, page, shoot }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[tool bash touch made]] [[say all done]]" });
  await expect(screen.question(page)).toBeVisible();
  for (const text of ["[[say answer one]]", "[[say answer two]]", "[[say answer three]]"]) await screen.say(page, text);
  const message = (text: string) => screen.log(page).locator(".message", { hasText: text });
  const three = message("[[say answer three]]");
  await three.getByRole("button", { name: words.delivery.moveUp }).click();
  await three.getByRole("button", { name: words.delivery.moveUp }).click();
  await expect(three).toContainText(words.transcript.queuedPlace(1));
  const one = message("[[say answer one]]");
  await one.getByRole("button", { name: words.delivery.steer }).click();
  await expect(one).toContainText(words.delivery.handed);
  await shoot("steering");
  // With the result of the command it goes in; the others follow in the order in which they stand.
  await screen.allow(page);
  await expect(screen.log(page)).toContainText("answer two", { timeout: 30_000 });
  await screen.expectSettled(page, 4);
  const lines = (await screen.lines(page)).join("\n");
  const order = ["all done", "[[say answer three]]", "[[say answer two]]"].map((text) => lines.indexOf(text));
  expect([...order].sort((a, b) => a - b)).toEqual(order);
  expect(lines.indexOf("[[say answer one]]")).toBeLessThan(lines.indexOf("[[say answer three]]"));
});

test("another way is tried from an earlier message, in a chat that says what it came from", async ({ towline, fakeModel, page, shoot }) => {
  await screen.pairFirst(page, towline);
  await tryAnotherWay(page, { towline, fakeModel, agent: screen.CLAUDE, shoot });
});

test("what is taken after a slash is offered as it is typed, that of the project too", async ({ towline, fakeModel, project, page, shoot }) => {
  await mkdir(path.join(project, ".claude/commands"), { recursive: true });
  await writeFile(path.join(project, ".claude/commands/moor.md"), "---\ndescription: Make the boat fast\n---\n[[say moored]]\n");
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[say one]]" });
  await screen.expectSettled(page, 1);
  const box = page.getByLabel(words.composer.label, { exact: true });
  const list = page.getByRole("listbox", { name: words.composer.commands });
  await box.fill("/");
  await expect(list.getByRole("option").filter({ hasText: "/compact" })).toHaveCount(1);
  await shoot("slash");
  await box.fill("/mo");
  await expect(list.getByRole("option").filter({ hasText: "Make the boat fast" })).toHaveCount(1);
  await list.getByRole("option").filter({ hasText: "Make the boat fast" }).click();
  await expect(box).toHaveValue("/moor ");
  await expect(list).toHaveCount(0);
  await page.getByRole("button", { name: words.composer.send, exact: true }).click();
  await screen.expectSettled(page, 2);
  await expect(screen.log(page)).toContainText("moored");
  expect((await fakeModel.log()).some((line) => line.prompt?.includes("[[say moored]]"))).toBe(true);
  // In the box for a new chat, too, where keys choose as well.
  await page.goto(towline.ready.url);
  await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
  await page.getByRole("radio", { name: screen.CLAUDE }).click();
  const first = page.getByLabel(words.newChat.promptLabel);
  await first.fill("/mo");
  await expect(list.getByRole("option").filter({ hasText: "Make the boat fast" })).toHaveCount(1);
  while ((await list.getByRole("option", { selected: true }).textContent())?.includes("/moor") !== true) await first.press("ArrowDown");
  await first.press("Enter");
  await expect(first).toHaveValue("/moor ");
  await expect(list).toHaveCount(0);
  await page.getByRole("button", { name: words.newChat.start }).click();
  await screen.expectSettled(page, 1);
  await expect(screen.log(page)).toContainText("moored");
});
