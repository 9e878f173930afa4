// What the frames of a scroll cost the page's main thread, from the browser's own trace: CPU time, so that whatever else the machine does
// counts as little as it can.

import type { CDPSession, Page } from "@playwright/test";

/** Milliseconds of CPU of the main thread, of all frames and of single ones. */
export interface FrameCost {
  frames: number;
  sum: number;
  median: number;
  p99: number;
  longest: number;
  /** How many would hold a phone with a sixth of this CPU for more than 50 ms. */
  late: number;
}

interface Event {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  tdur?: number;
}

/** Scrolls a box so many pixels a frame, for so many frames or to its end, and says what that cost. */
export async function scrollCost(page: Page, devtools: CDPSession, box: string, speed: number, most: number): Promise<FrameCost> {
  const events: Event[] = [];
  const collect = ({ value }: { value: unknown[] }): void => void events.push(...(value as Event[]));
  devtools.on("Tracing.dataCollected", collect);
  const traceConfig = { recordMode: "recordAsMuchAsPossible" as const, includedCategories: ["blink.user_timing", "disabled-by-default-devtools.timeline"] };
  await devtools.send("Tracing.start", { transferMode: "ReportEvents", traceConfig });
  await page.locator(box).evaluate(
    async (box, [speed, most]) => {
      let before = -1;
      for (let n = 0; n < most! && box.scrollTop !== before; n += 1) {
        before = box.scrollTop;
        performance.mark("scroll step");
        box.scrollTop += speed!;
        await new Promise((next) => requestAnimationFrame(next));
      }
      performance.mark("scroll step");
    },
    [speed, most],
  );
  const over = new Promise((done) => devtools.once("Tracing.tracingComplete", done));
  await devtools.send("Tracing.end");
  await over;
  devtools.off("Tracing.dataCollected", collect);
  return cost(events);
}

function cost(events: readonly Event[]): FrameCost {
  const steps = events.filter((event) => event.name === "scroll step").sort((a, b) => a.ts - b.ts);
  const first = steps[0];
  if (first === undefined) throw new Error("the trace has no steps");
  const tasks = events.filter((event) => event.name === "RunTask" && event.ph === "X" && event.pid === first.pid && event.tid === first.tid).sort((a, b) => a.ts - b.ts);
  let at = 0;
  const costs = steps.slice(1).map((end) => {
    let sum = 0;
    for (let task = tasks[at]; task !== undefined && task.ts < end.ts; task = tasks[++at]) {
      // The thread's clock is coarse on some systems, and no task takes more CPU than time.
      if (task.ts >= first.ts) sum += Math.min(task.tdur ?? 0, task.dur ?? 0) / 1_000;
    }
    return sum;
  });
  const sorted = costs.toSorted((a, b) => a - b);
  const of = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { frames: costs.length, sum: costs.reduce((a, b) => a + b, 0), median: of(0.5), p99: of(0.99), longest: of(1), late: costs.filter((ms) => ms > 50 / 6).length };
}

/** For people. */
export function told(cost: FrameCost): string {
  const ms = (number: number): string => number.toFixed(1);
  return `median ${ms(cost.median)}, 99 % below ${ms(cost.p99)}, longest ${ms(cost.longest)} ms of CPU a frame; ${cost.late} of ${cost.frames} would take over 50 ms at a sixth`;
}

/**
 * Turns the page into a plain one of the same lines: no script, nothing passed over, all of it laid out once. Scrolling it is the least
 * that this browser can do for so many elements.
 */
export async function makePlain(page: Page, box: string): Promise<number> {
  return page.evaluate(async (box) => {
    const lines = document.querySelector(box)?.cloneNode(true);
    if (!(lines instanceof HTMLElement)) throw new Error(`no ${box}`);
    lines.querySelectorAll<HTMLElement>(".passed").forEach((each) => each.classList.remove("passed"));
    lines.style.cssText = "height: 100vh; overflow: auto";
    document.body.replaceChildren(lines);
    lines.scrollTop = 0;
    for (let frames = 0; frames < 10; frames += 1) await new Promise((next) => requestAnimationFrame(next));
    return document.getElementsByTagName("*").length;
  }, box);
}
