// How fast a long chat is on a slow phone: a CPU at a sixth of this machine's. The numbers are printed; the limits are generous, because
// a test machine builds something else beside it.

import type { CDPSession, Page } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";
import { serveLongChat } from "../support/long-chat.ts";
import * as screen from "../support/screen.ts";

const ITEMS = Number(process.env.PACE_ITEMS ?? 10_000);
const SLOWER = 6;
/** From the address to words that can be read and a box that can be written into, in milliseconds. */
const USABLE_LIMIT_MS = 6_000;
/** Time between two frames while one scrolls through everything, in milliseconds: half of them are faster than the first. */
const FRAME_LIMIT_MS = 150;
const LONGEST_LIMIT_MS = 1_500;

test(`a chat of ${ITEMS} items on a slow phone`, async ({ towline, page }, testInfo) => {
  testInfo.setTimeout(300_000);
  const say = (type: string, description: string) => {
    testInfo.annotations.push({ type, description });
    console.error(`pace: ${type}: ${description}`);
  };
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[say the very first words]]" });
  await screen.expectSettled(page, 1);
  const session = screen.sessionOf(page);
  await page.goto(towline.ready.url);
  await serveLongChat(page, ITEMS);
  const devtools = await page.context().newCDPSession(page);

  await slow(devtools, SLOWER);
  const begun = Date.now();
  await page.goto(new URL(`/s/${session}`, towline.ready.url).href, { waitUntil: "commit" });
  await page.waitForFunction(
    ([last, label]) => document.querySelector('[role="log"]')?.textContent?.includes(last!) && document.querySelector(`textarea[aria-label="${label}"]`),
    [`step ${lastSaid()}`, screen.words.composer.label],
    { polling: "raf" },
  );
  const usable = Date.now() - begun;
  say("usable", `${ITEMS} items, CPU at 1/${SLOWER}: ${usable} ms from the address to words`);
  expect(usable).toBeLessThan(USABLE_LIMIT_MS);

  // The first older pages, at the slow phone's pace: what a person does who looks for what was said before.
  const paging = await readBack(page, 10);
  say("paging", `${paging.pages} older pages: longest frame ${paging.longest} ms, moved ${paging.moved} px`);
  expect(paging.moved).toBeLessThanOrEqual(1);
  expect(paging.longest).toBeLessThan(LONGEST_LIMIT_MS);

  // The rest as fast as it goes, then all of it is scrolled through.
  await slow(devtools, 1);
  const rest = await readBack(page, Infinity);
  say("all", `${rest.pages} more pages in ${rest.ms} ms, moved ${rest.moved} px`);
  await expect(page.getByText(screen.words.transcript.beginning)).toBeVisible();
  const nodes = await page.evaluate(() => document.getElementsByTagName("*").length);
  await slow(devtools, SLOWER);
  // As a finger flings, and as the bar at the side is dragged.
  for (const [way, speed] of [["down", 150], ["up", -150], ["down", 6_000]] as const) {
    const { longest, median, late, frames } = await scrollThrough(page, speed);
    say("scroll", `${way}, ${Math.abs(speed)} px a frame, ${nodes} elements: median frame ${median} ms, longest ${longest} ms, ${late} of ${frames} over 50 ms`);
    if (Math.abs(speed) < 1_000) expect(median).toBeLessThan(FRAME_LIMIT_MS);
    expect(longest).toBeLessThan(LONGEST_LIMIT_MS);
  }
});

test("the first load has at most 200 KB of script", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await page.reload();
  await screen.expectLists(page);
  const scripts = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => new URL(name).pathname.endsWith(".js")));
  let bytes = 0;
  for (const script of new Set(scripts)) {
    const answer = await page.request.get(script, { headers: { "accept-encoding": "br" } });
    expect(answer.headers()["content-encoding"]).toBe("br");
    bytes += Number(answer.headers()["content-length"]);
  }
  console.error(`pace: first load: ${bytes} bytes of script, compressed`);
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThanOrEqual(200_000);
});

function lastSaid(): number {
  let n = ITEMS - 1;
  while (n % 40 === 0 || (n % 6 !== 5 && n % 6 !== 0)) n -= 1;
  return n;
}

async function slow(devtools: CDPSession, rate: number): Promise<void> {
  await devtools.send("Emulation.setCPUThrottlingRate", { rate });
}

/** Goes to the top until so many older pages came, or the beginning. */
async function readBack(page: Page, pages: number): Promise<{ pages: number; ms: number; longest: number; moved: number }> {
  return page.locator(".chat-scroll").evaluate(
    async (box, [pages, beginning]) => {
      const lines = () => box.querySelectorAll("[data-place]");
      const first = () => Number(lines()[0]?.getAttribute("data-place"));
      const begun = performance.now();
      let [done, longest, moved, last] = [0, 0, 0, performance.now()];
      const frame = async () => {
        await new Promise((next) => requestAnimationFrame(next));
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
      };
      while (done < Number(pages) && !box.textContent!.slice(0, 200).includes(String(beginning))) {
        const count = first();
        box.scrollTop = 400;
        // A jump lays out what it arrives at within a frame or two; a finger has it laid out before.
        for (let frames = 0; frames < 3; frames += 1) await frame();
        const top = box.getBoundingClientRect().top;
        const mark = [...lines()].find((line) => line.getBoundingClientRect().bottom > top + 100)!;
        const place = mark.getBoundingClientRect().top;
        const until = performance.now() + 10_000;
        while (first() === count && performance.now() < until) await frame();
        if (first() === count) throw new Error(`no older page came after ${done}`);
        for (let frames = 0; frames < 3; frames += 1) {
          await frame();
          moved = Math.max(moved, Math.abs(mark.getBoundingClientRect().top - place));
        }
        done += 1;
      }
      return { pages: done, ms: Math.round(performance.now() - begun), longest: Math.round(longest), moved };
    },
    [pages === Infinity ? 1e9 : pages, screen.words.transcript.beginning] as const,
  );
}

/** Scrolls to an end, so many pixels a frame. */
async function scrollThrough(page: Page, speed: number): Promise<{ longest: number; median: number; late: number; frames: number }> {
  return page.locator(".chat-scroll").evaluate(async (box, speed) => {
    const took: number[] = [];
    let [last, before] = [performance.now(), -1];
    while (took.length < 400 && box.scrollTop !== before) {
      before = box.scrollTop;
      box.scrollTop += speed;
      await new Promise((next) => requestAnimationFrame(next));
      const now = performance.now();
      took.push(Math.round(now - last));
      last = now;
    }
    took.sort((a, b) => a - b);
    return { longest: took.at(-1) ?? 0, median: took[took.length >> 1] ?? 0, late: took.filter((ms) => ms > 50).length, frames: took.length };
  }, speed);
}
