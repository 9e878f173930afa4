// A chat of many items opens at its end and is read backwards without a jump. LONG_ITEMS says how many; 100,000 are for a release build.

import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const ITEMS = Number(process.env.LONG_ITEMS ?? 3_000);
/** Looks of one prompt: each makes two items and takes about 25 bytes, and Linux gives an argument at most 128 KiB. */
const AT_ONCE = 4_000;
/** Backward pages that are read. */
const PAGES = 8;
/** The promise is a second; a test machine that builds something else beside it gets five. */
const OPEN_LIMIT_MS = 5_000;

test(`a chat of ${ITEMS} items opens from its end and pages backwards`, async ({ towline, page }, testInfo) => {
  testInfo.setTimeout(60_000 + ITEMS * 20);
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[say the very first words]]" });
  await screen.expectSettled(page, 1);
  const session = screen.sessionOf(page);
  await page.goto(towline.ready.url);
  for (let left = ITEMS / 2; left > 0; left -= AT_ONCE) {
    const looks = Array.from({ length: Math.min(left, AT_ONCE) }, (_, at) => `[[look]][[say  no ${left - at}]]`).join("");
    await towline.run("send", "--session", session, `[[rate 0]]${looks}`);
    // Says it when nothing runs and nothing waits any more.
    await towline.run("tail", session, "--until-idle");
  }

  const begun = Date.now();
  await page.goto(new URL(`/s/${session}`, towline.ready.url).href);
  await expect(screen.log(page)).toContainText(/no 1(?!\d)/);
  const opened = Date.now() - begun;
  testInfo.annotations.push({ type: "opened", description: `${ITEMS} items, from address to words: ${opened} ms` });
  console.error(`long: ${ITEMS} items opened in ${opened} ms`);
  expect(opened).toBeLessThan(OPEN_LIMIT_MS);

  // Whoever scrolls up keeps what they look at, when older lines are put in above it.
  const box = page.locator(".chat-scroll");
  for (let round = 0; round < PAGES; round += 1) {
    const before = await screen.log(page).locator("[data-place]").count();
    // By a finger, which is fetched for before it arrives, and by a key that goes to the very top.
    const moved = await box.evaluate(async (frame, to) => {
      const lines = () => frame.querySelectorAll("[data-place]");
      const count = lines().length;
      frame.scrollTop = to;
      // A jump lays out what it arrives at within a frame or two; a finger has it laid out before.
      for (let frames = 0; frames < 3; frames += 1) await new Promise((done) => requestAnimationFrame(done));
      const top = frame.getBoundingClientRect().top;
      const mark = [...lines()].find((line) => line.getBoundingClientRect().bottom > top + 200)!;
      const place = mark.getBoundingClientRect().top;
      let worst = 0;
      const look = async () => {
        await new Promise((done) => requestAnimationFrame(done));
        worst = Math.max(worst, Math.abs(mark.getBoundingClientRect().top - place));
      };
      const until = performance.now() + 5_000;
      // A line that says "fetching" comes and goes; a page is many more.
      while (lines().length < count + 10 && performance.now() < until) await look();
      for (let frames = 0; frames < 10; frames += 1) await look();
      return worst;
    }, round % 2 === 0 ? 300 : 0);
    await expect.poll(() => screen.log(page).locator("[data-place]").count()).toBeGreaterThan(before);
    expect(moved, `page ${round}: what is looked at stays within a pixel`).toBeLessThanOrEqual(1);
  }
});
