// Somebody kills the process in the middle, again and again: everything that was acknowledged is there, once.

import { expect, test } from "../support/fixtures.ts";
import { processesNaming } from "../support/leftovers.ts";
import * as screen from "../support/screen.ts";
import type { Towline } from "../support/towline.ts";

const { words } = screen;
const ROUNDS = Number(process.env.SOAK_ROUNDS ?? 5);
/** The moments of a run are random and told, so that a run can be had again: SOAK_SEED. */
const SEED = Number(process.env.SOAK_SEED ?? Date.now() % 1_000_000);
/** Latest moment of a kill after the prompt was sent, in milliseconds; an answer below takes about 1,500. */
const LATEST_MS = 2_000;

/** The same numbers for the same seed (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Processes of this test that are neither towline nor the test's own. */
async function agents(folder: string, towline: Towline, own: number[]): Promise<number[]> {
  const found = (await processesNaming(folder, [...own, towline.pid])) ?? [];
  return found.map(({ pid }) => pid);
}

test(`towline is killed at ${ROUNDS} random moments of a run`, async ({ towline, folder, fakeModel, page }, testInfo) => {
  testInfo.setTimeout(60_000 + ROUNDS * 20_000);
  testInfo.annotations.push({ type: "seed", description: `SOAK_SEED=${SEED} SOAK_ROUNDS=${ROUNDS}` });
  const random = numbers(SEED);
  const own = ((await processesNaming(folder, [towline.pid])) ?? []).map(({ pid }) => pid);
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.CLAUDE, text: "round 0 [[say all quiet]]" });
  await screen.expectSettled(page, 1);

  for (let round = 1; round <= ROUNDS; round += 1) {
    await screen.say(page, `round ${round} [[think 5]] [[rate 20]] [[text 40]] [[tool read README.md]] [[text 20]]`);
    const moment = Math.round(random() * LATEST_MS);
    // A kill at a random moment is the point: nothing is waited for.
    await page.waitForTimeout(moment);
    const running = await agents(folder, towline, own);
    await towline.kill9();
    await towline.restart();
    await screen.expectLive(page, { timeout: 30_000 });
    await screen.expectSettled(page, round + 1, { timeout: 30_000 });
    const left = await agents(folder, towline, own);
    expect(left.filter((pid) => running.includes(pid)), `round ${round}, killed after ${moment} ms: agents of before are gone`).toEqual([]);
    const prompts = await screen.messages(page).allTextContents();
    for (let each = 0; each <= round; each += 1) {
      expect(prompts.filter((text) => text.includes(`round ${each} [[`)), `round ${round}, killed after ${moment} ms: prompt ${each} is there once`).toHaveLength(1);
    }
    // An interrupted turn says so in words; one that is done has its whole answer.
    const broken = await screen.log(page).locator('[data-turn-state]:not([data-turn-state="completed"])').allTextContents();
    for (const text of broken) expect(text).toContain(words.transcript.turnError("host_restarted"));
    const whole = (await screen.lines(page)).filter((text) => text.includes(screen.counted(1, 40))).length;
    expect(whole, "a turn without its answer was interrupted").toBeGreaterThanOrEqual(round - broken.length);
  }

  // Nothing was run twice: no prompt was asked for at the model by two processes unless claude itself tried again.
  await screen.say(page, "the end [[say and here we are]]");
  await screen.expectSettled(page, ROUNDS + 2);
  await expect(screen.log(page)).toContainText("and here we are");
  const last = (await fakeModel.log()).filter((line) => line.event === "request" && !line.side && line.prompt?.startsWith("the end")).at(-1);
  expect(last?.typed?.[0], "the agent still knows how the conversation began").toContain("round 0");
  for (let round = 1; round <= ROUNDS; round += 1) {
    const times = last?.typed?.filter((text) => text.includes(`round ${round} [[`)).length ?? 0;
    expect(times, `prompt ${round} reached the agent at most once`).toBeLessThanOrEqual(1);
  }

  // A page that was not there at all reads the same, once it has read all of it.
  const live = await screen.lines(page);
  await page.reload();
  await screen.toBeginning(page);
  await screen.expectSettled(page, ROUNDS + 2);
  const anew = await screen.lines(page);
  expect(anew.slice(-live.length + 1)).toEqual(live.slice(-anew.length + 1));
});
