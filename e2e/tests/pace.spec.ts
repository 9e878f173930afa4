// A long chat on a slow phone, whose CPU is a sixth of this machine's. What must hold whatever else the machine does: nothing that is looked
// at moves when older pages come, what is in the page is bounded, and no single task of a scroll takes much CPU. Times are printed.

import type { CDPSession, Page } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";
import { scrollCost, told } from "../support/frame-cost.ts";
import { serveLongChat } from "../support/long-chat.ts";
import * as screen from "../support/screen.ts";

/** What is bounded must be so at either size; the larger one takes minutes, and is for `cargo xtask e2e --all`. */
const ITEMS = Number(process.env.PACE_ITEMS ?? (process.env.E2E_ALL ? 10_000 : 2_500));
const SLOWER = 6;
/** From the address to words that can be read and a box that can be written into, in milliseconds; generous, because it is a time. */
const USABLE_LIMIT_MS = 15_000;
/** How far what is looked at may move when older pages come in above, in pixels: the rounding of a place. */
const MOVED_LIMIT_PX = 1;
/** Elements of the page, with everything around the reader drawn: about 200 a chunk, of at most 91. */
const ELEMENTS_LIMIT = 25_000;
/** CPU that a task of a fling takes at most, in milliseconds of this machine (four times of what it does), and how many of 300 frames may have one that
 * takes more: the thread's clock is coarse, and counts what the system does in between. */
const TASK_LIMIT_MS = 40;
const OVER_LIMIT = 3;
/** Frames of which the CPU is counted. */
const FRAMES = 300;

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
  expect(paging.moved).toBeLessThanOrEqual(MOVED_LIMIT_PX);

  // The rest as fast as it goes, then all of it is scrolled through.
  await slow(devtools, 1);
  const rest = await readBack(page, Infinity);
  say("all", `${rest.pages} more pages in ${rest.ms} ms, moved ${rest.moved} px`);
  expect(rest.moved).toBeLessThanOrEqual(MOVED_LIMIT_PX);
  await expect(page.getByText(screen.words.transcript.beginning)).toBeVisible();
  await slow(devtools, SLOWER);
  // As a finger flings; what the dragged bar at the side costs is counted below, without the wait that a slow processor makes of it.
  for (const [way, speed] of [["down", 150], ["up", -150]] as const) {
    const { longest, median, late, frames } = await scrollThrough(page, speed);
    say("scroll", `${way}, ${Math.abs(speed)} px a frame: median frame ${median} ms, longest ${longest} ms, ${late} of ${frames} over 50 ms`);
  }

  // The same at full speed, as the CPU of the page's own thread.
  await slow(devtools, 1);
  const box = page.locator(".chat-scroll");
  await box.evaluate((box) => (box.scrollTop = box.scrollHeight / 2));
  // From the end, while lines still come into the page: nobody is taken back there.
  await expect(page.getByRole("button", { name: screen.words.transcript.latest })).toBeVisible();
  const elements = await everythingDrawn(page);
  say("elements", `in the middle, with everything drawn: ${elements}`);
  expect(elements).toBeLessThan(ELEMENTS_LIMIT);
  for (const [way, speed] of [["down", 150], ["up", -150], ["down", 6_000]] as const) {
    const cost = await scrollCost(page, devtools, ".chat-scroll", speed, FRAMES);
    say("cost", `${way}, ${Math.abs(speed)} px a frame: ${told(cost)}`);
    if (Math.abs(speed) < 1_000) expect(cost.tasks.filter((ms) => ms > TASK_LIMIT_MS).length).toBeLessThanOrEqual(OVER_LIMIT);
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

/** Waits until nothing more comes into the page, and says how many elements there are. */
async function everythingDrawn(page: Page): Promise<number> {
  return page.evaluate(async () => {
    let [elements, still] = [0, 0];
    while (still < 20) {
      await new Promise((next) => requestAnimationFrame(next));
      const now = document.getElementsByTagName("*").length;
      still = now === elements ? still + 1 : 0;
      elements = now;
    }
    return elements;
  });
}

/** Goes to the top until so many older pages came, or the beginning. */
async function readBack(page: Page, pages: number): Promise<{ pages: number; ms: number; longest: number; moved: number }> {
  return page.locator(".chat-scroll").evaluate(
    async (box, [pages, beginning]) => {
      const lines = () => box.querySelectorAll("[data-place]");
      // The first line of the chat that has come, in the page or only its height.
      const first = () => {
        const { from, place } = (box.querySelector("[data-from], [data-place]") as HTMLElement | null)?.dataset ?? {};
        return Number(from ?? place);
      };
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
        // As a finger goes there: the next page is asked for before the top is reached, and comes while one looks.
        while (box.scrollTop >= 800) {
          box.scrollTop -= 300;
          await frame();
        }
        await frame();
        const top = box.getBoundingClientRect().top;
        const mark = [...lines()].find((line) => line.getBoundingClientRect().bottom > top + 100)!;
        const place = mark.getBoundingClientRect().top;
        const until = performance.now() + 10_000;
        const look = async () => {
          await frame();
          moved = Math.max(moved, Math.abs(mark.getBoundingClientRect().top - place));
        };
        while (first() === count && performance.now() < until) await look();
        if (first() === count) throw new Error(`no older page came after ${done}`);
        // Its lines are drawn between the frames: all of them are there when nothing has changed for some.
        for (let [still, before] = [0, ""]; still < 6; ) {
          await look();
          const now = `${lines().length} ${box.scrollHeight}`;
          still = now === before ? still + 1 : 0;
          before = now;
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
