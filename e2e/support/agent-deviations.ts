// What each agent does otherwise than the table of cases says, and why: asserted, so that the day on which it no longer does is seen.

import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "@playwright/test";
import { type CaseName, type Otherwise, ended, fails, goesOn, goesOnAfterKill, limitsOnCard, streams } from "./agent-cases.ts";
import type { AgentWorld } from "./agent-world.ts";
import * as screen from "./screen.ts";

type Deviations = Partial<Record<CaseName, Otherwise>>;

/** It ends as if it were done. */
async function endsAsDone(world: AgentWorld, prompt: string, said: string): Promise<void> {
  await world.says(prompt);
  await ended(world, "completed");
  await expect(screen.log(world.page)).toContainText(said);
  await goesOn(world);
}

/** The model is told that there is no such tool, and the turn ends with that. */
async function asksNothing(world: AgentWorld, told: RegExp): Promise<void> {
  await world.starts("[[tool ask Which colour?|Red|Blue]]");
  await ended(world, "completed");
  await expect(screen.log(world.page)).toContainText(told);
}

/** It works on without a word, for as long as one waits; Stop ends it. */
async function triesOn(world: AgentWorld, prompt: string): Promise<void> {
  await world.says(prompt, { settled: false });
  await expect.poll(async () => (await world.requests(prompt)).length, { timeout: 30_000 }).toBeGreaterThan(1);
  await stopped(world);
}

async function stopped(world: AgentWorld): Promise<void> {
  expect(await screen.stop(world.page)).toBeLessThan(2_000);
  await world.settled();
  await goesOn(world);
}

/** Where an agent says nothing of limits, nothing is told. */
async function tellsNoLimits(world: AgentWorld): Promise<void> {
  await world.says("[[limit 85]] [[say within limits]]");
  await ended(world, "completed");
  await expect(await limitsOnCard(world)).toHaveCount(0);
}

const LIMITS = "tells how much of its limits is used, and when they begin anew";

export const claude: Deviations = {
  [LIMITS]: { why: "Claude Code tells the limits of a plan only, and here it has a key", run: tellsNoLimits },
  "the model declines": {
    why: "Claude Code goes on by itself once, and says so",
    run: async (world) => {
      await world.says("[[text 3]] [[refuse]]");
      await ended(world, "completed");
      await expect(screen.log(world.page)).toContainText(/safeguards stopped the response above/);
      await goesOn(world);
    },
  },
};

export const codex: Deviations = {
  "offers what it takes after a slash, here and in the next chat": {
    why: "Codex tells of nothing that it takes after a slash",
    run: async (world) => {
      const { page } = world;
      if (world.count === 0) await world.starts("[[say something]]");
      await page.getByLabel(screen.words.composer.label, { exact: true }).fill("/");
      await expect(page.getByRole("listbox", { name: screen.words.composer.commands })).toHaveCount(0);
      await page.getByLabel(screen.words.composer.label, { exact: true }).fill("");
      await world.toLists();
    },
  },
};

export const gemini: Deviations = {
  [LIMITS]: { why: "Gemini CLI says nothing of limits", run: tellsNoLimits },
  "asks what the model asks": {
    why: "Gemini CLI offers its model no questions over ACP",
    run: (world) => asksNothing(world, /"AskUserQuestion\\*" not found/),
  },
  "the model declines": {
    why: "Gemini CLI tells the end of an answer that was held back as any other end",
    run: (world) => endsAsDone(world, "[[text 3]] [[refuse]]", screen.counted(1, 3)),
  },
  "a cut that heals is no error": {
    why: "Gemini CLI does not try again once an answer has begun",
    run: (world) => fails(world, "[[text 3]] [[disconnect x1]] [[say all is well]]", "agent_error", /terminated/),
  },
  "goes on in a chat of its own, which knows what was said": {
    why: "Gemini CLI offers no forks",
    run: async (world) => {
      await world.starts("[[say something]]");
      await screen.log(world.page).getByRole("button", { name: screen.words.delivery.ways }).first().click();
      await expect(world.page.getByRole("button", { name: screen.words.delivery.fork, exact: true })).toHaveCount(0);
    },
  },
  "goes on with what was said after a kill -9 of ours": {
    why: "Gemini CLI writes over its own record in the minute in which it began it (host/src/agent/acp/deviations.rs)",
    run: (world) => goesOnAfterKill(world, () => anotherMinute(world.begunAtMs)),
  },
};

export const opencode: Deviations = {
  [LIMITS]: { why: "OpenCode says nothing of limits", run: tellsNoLimits },
  "streams word by word; what it used is what the server counted": {
    why: "OpenCode counts the last answer of a turn only",
    run: (world) => streams(world, (counted) => counted.slice(-1)),
  },
  "401: the login is bad": {
    why: "OpenCode passes on the words of its provider without the status",
    run: (world) => fails(world, "[[error 401]]", "agent_error", /fake model: error 401/),
  },
  "asks what the model asks": {
    why: "OpenCode offers its model no questions over ACP",
    run: (world) => asksNothing(world, /unavailable tool 'AskUserQuestion'/),
  },
  "429: the limit is reached": { why: "OpenCode tries again without end and without a word", run: (world) => triesOn(world, "[[error 429]]") },
  "529: the service has too much to do": { why: "OpenCode tries again without end and without a word", run: (world) => triesOn(world, "[[error 529]]") },
  "the connection is cut in the middle": {
    why: "OpenCode tries again without end, and says the same words once more each time",
    run: (world) => triesOn(world, "[[text 3]] [[disconnect]]"),
  },
};

export const claudeAcp: Deviations = {
  "529: the service has too much to do": {
    why: "the adapter passes on the words of Claude Code without the status",
    run: (world) => fails(world, "[[error 529]]", "agent_error", /API Error: 529/),
  },
  "the model declines": {
    why: "Claude Code goes on by itself once; the adapter does not say so",
    run: (world) => endsAsDone(world, "[[text 3]] [[refuse]]", screen.counted(1, 3)),
  },
  [LIMITS]: { why: "Claude Code tells the limits of a plan only, and here it has a key", run: tellsNoLimits },
};

/** Waits until the clock shows another minute than it did then. */
async function anotherMinute(thenMs: number): Promise<void> {
  const minute = 60_000;
  if (Math.floor(Date.now() / minute) === Math.floor(thenMs / minute)) await sleep(minute - (Date.now() % minute) + 500);
}
