// What every agent must show in the browser: one table, the same for all of them. What one of them does otherwise stands in
// agent-deviations.ts, with why.

import { createHash } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import path from "node:path";
import { type Locator, expect } from "@playwright/test";
import type { AgentWorld } from "./agent-world.ts";
import type { LogLine } from "./fake-model.ts";
import * as screen from "./screen.ts";

const { words } = screen;

/** One thing that an agent must show. */
type Case = (world: AgentWorld) => Promise<void>;

/** How an agent shows something else, and why that is so. */
export interface Otherwise {
  /** Why: the agent's own deviation. */
  why: string;
  /** What it does instead. */
  run: Case;
}

/** What a turn that fails is to say. */
export type Failure = Parameters<typeof words.transcript.turnError>[0];

/** The turn of this prompt fails, says why in these words, and the chat goes on. */
export async function fails(world: AgentWorld, prompt: string, code: Failure, said?: RegExp): Promise<void> {
  await world.says(prompt);
  const end = await ended(world, "failed");
  await expect(end).toContainText(words.transcript.turnError(code));
  if (said !== undefined) await expect(end).toContainText(said);
  await goesOn(world);
}

/** The end of the newest turn, which ended so. */
export async function ended(world: AgentWorld, state: "completed" | "failed" | "interrupted"): Promise<Locator> {
  const delivery = { completed: "done", failed: "failed", interrupted: "stopped" }[state];
  await expect(screen.messages(world.page).last()).toHaveAttribute("data-delivery", delivery);
  const end = screen.log(world.page).locator("[data-turn-state]").last();
  await expect(end).toHaveAttribute("data-turn-state", state);
  return end;
}

/** The next message is answered as if nothing had been. */
export async function goesOn(world: AgentWorld): Promise<void> {
  const sign = `and on we go ${world.count}`;
  await world.says(`[[say ${sign}]]`);
  await expect(screen.log(world.page).locator("[data-place]").filter({ hasText: new RegExp(`^${sign}$`) })).toHaveCount(1);
}

/** A held answer is read while it is written; what it used is what the server counted of these of its requests. */
export async function streams(world: AgentWorld, counted: (requests: LogLine[]) => LogLine[]): Promise<void> {
  const prompt = "[[think 2]] [[usage 321 54]] [[text 20]] [[hold middle]] [[text 40]] [[tool bash touch counted.txt]] [[say that is all]]";
  await world.starts(prompt, { settled: false });
  await screen.expectWords(world.page, 20);
  expect(await screen.wordsSeen(world.page)).toBe(20);
  await world.fakeModel.release("middle");
  await world.allows("touch counted.txt");
  await world.settled();
  await expect(screen.log(world.page)).toContainText(screen.counted(1, 40));
  const requests = await world.requests(prompt);
  expect(requests).toHaveLength(2);
  const { length } = counted(requests);
  await expect(screen.log(world.page).locator(".turn-used").last()).toContainText(`${321 * length} tokens read, ${54 * length} written`);
}

/** Towline dies, and what was said to the agent in its earlier life is known to its next one. */
export async function goesOnAfterKill(world: AgentWorld, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
  await world.says("[[say before the restart]]");
  await world.towline.kill9();
  await meanwhile();
  await world.towline.restart();
  await screen.expectLive(world.page, { timeout: 30_000 });
  await world.says("[[say after the restart]]");
  await ended(world, "completed");
  expect((await world.requests("[[say after the restart]]")).at(-1)?.typed).toContain("[[say before the restart]]");
}

/** What the machine's card says of the agent's limits. */
export async function limitsOnCard({ agent, page, towline }: AgentWorld): Promise<Locator> {
  await page.goto(new URL("/devices", towline.ready.url).href);
  const card = page.getByRole("list", { name: /^Agents on / }).getByRole("listitem").filter({ hasText: agent.version });
  await expect(card).toBeVisible();
  return card.locator("[data-limit]");
}

export const cases = {
  "streams word by word; what it used is what the server counted": (world) => streams(world, (requests) => requests),

  "does what it may": async (world) => {
    await world.starts("[[say First.]] [[tool bash echo from-the-command && touch made.txt]]", { settled: false });
    await world.allows("echo from-the-command");
    await world.settled();
    await access(path.join(world.project, "made.txt"));
    await expect(screen.log(world.page)).toContainText("from-the-command");
    await expect(screen.log(world.page).locator('[data-tool][data-status="done"]')).not.toHaveCount(0);
  },

  "offers what it takes after a slash, here and in the next chat": async (world) => {
    const { agent, page } = world;
    const offered = page.getByRole("listbox", { name: words.composer.commands }).getByRole("option").filter({ hasText: `/${agent.takes}` });
    const box = page.getByLabel(words.composer.label, { exact: true });
    if (world.count === 0) await world.starts("[[say something]]");
    await box.fill(`/${agent.takes}`);
    await expect(offered).toHaveCount(1);
    await box.fill("");
    await world.toLists();
    await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
    await page.getByRole("radio", { name: agent.name, exact: false }).click();
    const first = page.getByLabel(words.newChat.promptLabel);
    await first.fill(`/${agent.takes}`);
    await expect(offered).toHaveCount(1);
    await first.fill("");
    await world.toLists();
  },

  "writes a file when it may": async (world) => {
    const file = path.join(world.project, "note.txt");
    await world.says(`[[tool write ${file} written by an agent]]`, { settled: false });
    await world.allows("note.txt");
    await world.settled();
    expect(await readFile(file, "utf8")).toBe("written by an agent\n");
  },

  "does not do what it may not": async (world) => {
    await world.says("[[tool bash touch never.txt]]", { settled: false });
    await expect(screen.question(world.page)).toContainText("touch never.txt", { timeout: 30_000 });
    await screen.deny(world.page);
    await world.settled();
    await expect(access(path.join(world.project, "never.txt"))).rejects.toThrow("ENOENT");
    await expect(screen.log(world.page).locator('[data-approval][data-state="answered"]').last()).toContainText(words.approval.states.denied);
    await goesOn(world);
  },

  "stops in the middle": async (world) => {
    // Held, so that no machine is too slow to stop it in time.
    await world.says("[[say It begins.]] [[text 5]] [[hold never]] [[text 400]]", { settled: false });
    await expect(screen.log(world.page)).toContainText("It begins. w1 w2 w3 w4 w5", { timeout: 30_000 });
    expect(await screen.stop(world.page)).toBeLessThan(2_000);
    await world.settled();
    await goesOn(world);
  },

  "asks the model that was chosen": async (world) => {
    for (const [at, model] of world.agent.models.entries()) {
      await world.chooses(model.label);
      const prompt = `[[say with model ${at}]]`;
      await world.says(prompt);
      expect((await world.requests(prompt)).at(-1)?.model).toMatch(model.asked);
    }
  },

  "goes back to the model that it takes by itself": async (world) => {
    await world.starts("[[say by itself]]");
    const asked = async (prompt: string) => (await world.requests(prompt)).at(-1)?.model ?? "";
    const own = await asked("[[say by itself]]");
    const other = world.agent.models.find((model) => !model.asked.test(own));
    await world.chooses(other?.label ?? "");
    await world.says("[[say otherwise]]");
    expect(await asked("[[say otherwise]]")).toMatch(other?.asked ?? /never/);
    await world.chooses(world.agent.byDefault ?? words.details.byDefault(""));
    await world.says("[[say by itself again]]");
    expect(await asked("[[say by itself again]]")).toBe(own);
  },

  "gives the model a picture, byte for byte": async (world) => {
    const picture = await world.page.screenshot({ clip: { x: 0, y: 0, width: 200, height: 120 }, scale: "css" });
    await world.page.getByLabel(words.attach.file).setInputFiles([{ name: "screen.png", mimeType: "image/png", buffer: picture }]);
    await expect(world.page.locator('.tray [data-phase="done"]')).toHaveCount(1);
    await world.says("[[say I see]]");
    const asked = (await world.requests("[[say I see]]")).at(-1);
    expect(asked?.images).toEqual([createHash("sha256").update(picture).digest("hex").slice(0, 16)]);
  },

  "asks what the model asks": async (world) => {
    await world.starts("[[tool ask Which colour?|Red|Blue]]", { mode: world.agent.questioning, settled: false });
    const card = screen.question(world.page);
    await expect(card).toContainText("Which colour?", { timeout: 30_000 });
    await card.getByRole("radio", { name: /^Blue/ }).click();
    await card.getByRole("button", { name: words.approval.answer, exact: true }).click();
    await world.settled();
    await expect(screen.log(world.page)).toContainText(/done: .*Blue/);
  },

  "401: the login is bad": (world) => fails(world, "[[error 401]]", "credentials_expired"),
  "429: the limit is reached": (world) => fails(world, "[[error 429]]", "rate_limited"),
  "529: the service has too much to do": (world) => fails(world, "[[error 529]]", "overloaded"),
  "the model declines": (world) => fails(world, "[[text 3]] [[refuse]]", "refused"),
  "the connection is cut in the middle": (world) => fails(world, "[[text 3]] [[disconnect]]", "agent_error"),

  "a cut that heals is no error": async (world) => {
    await world.says("[[text 3]] [[disconnect x1]] [[say all is well]]");
    await expect(screen.log(world.page)).toContainText(`${screen.counted(1, 3)} all is well`);
    await ended(world, "completed");
  },

  "the server falls silent": async (world) => {
    await world.says("[[say Now comes nothing.]] [[hang]]", { settled: false });
    await expect(screen.log(world.page)).toContainText(/Now comes nothing\.(?!\]\])/, { timeout: 30_000 });
    await expect(world.page.getByText(words.transcript.working(world.agent.name))).toBeVisible();
    expect(await screen.stop(world.page)).toBeLessThan(2_000);
    await world.settled();
    await goesOn(world);
  },

  "goes on in a chat of its own, which knows what was said": async (world) => {
    const { page } = world;
    await world.says("[[say what both know]]");
    const [before, origin, count] = [await screen.lines(page), page.url(), world.count];
    await screen.log(page).getByRole("button", { name: words.delivery.ways }).last().click();
    await page.getByRole("button", { name: words.delivery.fork, exact: true }).click();
    await expect.poll(() => page.url(), { timeout: 30_000 }).not.toBe(origin);
    const prompt = "[[say in another way]]";
    world.count = 0;
    await screen.say(page, prompt);
    world.count = 1;
    await world.settled();
    await ended(world, "completed");
    await expect(screen.log(page)).toContainText(words.delivery.forkedFrom);
    const typed = (await world.requests(prompt)).at(-1)?.typed ?? [];
    expect(typed.slice(-2)).toEqual(["[[say what both know]]", prompt]);
    // The other chat is as it was, and does not know of this one.
    await screen.log(page).getByRole("link").first().click();
    await expect.poll(() => page.url()).toBe(origin);
    expect(await screen.lines(page)).toEqual(before);
    world.count = count;
    await world.says("[[say in the old way]]");
    expect((await world.requests("[[say in the old way]]")).at(-1)?.typed).not.toContain(prompt);
  },

  "goes on with what was said after a kill -9 of ours": (world) => goesOnAfterKill(world),

  "tells how much of its limits is used, and when they begin anew": async (world) => {
    await world.says("[[limit 85]] [[say within limits]]");
    await ended(world, "completed");
    const limits = await limitsOnCard(world);
    await expect(limits).toHaveCount(2);
    await expect(limits.first()).toContainText(/^5 h limit: 85 % used, resets .*\d\d:\d\d$/);
    await expect(limits.last()).toContainText(/^7 d limit: 4[23] % used, resets .*\d\d:\d\d$/);
    expect(await world.towline.run("hosts")).toMatch(/: 5 h limit: 85 % used, resets \d{4}-/);
  },

  "its machine says which one it is": async (world) => {
    const { agent, page } = world;
    await world.toLists();
    await page.getByRole("link", { name: words.devices.link }).click();
    const card = page.getByRole("list", { name: /^Agents on / }).getByRole("listitem").filter({ hasText: agent.version });
    await expect(card).toContainText(`${agent.name} ${agent.version}`);
    await expect(card).toContainText(new RegExp(`tested with .*${agent.version.replaceAll(".", "\\.")}`));
  },
} satisfies Record<string, Case>;

export type CaseName = keyof typeof cases;
