// What a scroll costs the page's main thread, from the browser's own trace: CPU time, so that whatever else the machine does counts as
// little as it can.

import type { CDPSession, Page } from "@playwright/test";

/** Milliseconds of CPU of the main thread. */
export interface ScrollCost {
  frames: number;
  /** Of a frame: half of them took less than this; and the most that one took, with all that was done in between. */
  median: number;
  longest: number;
  /** How long the thread did one thing each time, when it could do nothing else; the longest first. */
  tasks: readonly number[];
  /** How many such tasks would hold a phone with a sixth of this CPU for more than 50 ms. */
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
export async function scrollCost(page: Page, devtools: CDPSession, box: string, speed: number, most: number): Promise<ScrollCost> {
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

function cost(events: readonly Event[]): ScrollCost {
  const steps = events.filter((event) => event.name === "scroll step").sort((a, b) => a.ts - b.ts);
  const first = steps[0];
  if (first === undefined) throw new Error("the trace has no steps");
  const tasks = events.filter((event) => event.name === "RunTask" && event.ph === "X" && event.pid === first.pid && event.tid === first.tid).sort((a, b) => a.ts - b.ts);
  let at = 0;
  const all: number[] = [];
  const costs = steps.slice(1).map((end) => {
    let sum = 0;
    for (let task = tasks[at]; task !== undefined && task.ts < end.ts; task = tasks[++at]) {
      if (task.ts < first.ts) continue;
      // The thread's clock is coarse on some systems, and no task takes more CPU than time.
      const took = Math.min(task.tdur ?? 0, task.dur ?? 0) / 1_000;
      all.push(took);
      sum += took;
    }
    return sum;
  });
  const sorted = costs.toSorted((a, b) => a - b);
  return { frames: costs.length, median: sorted[sorted.length >> 1] ?? 0, longest: sorted.at(-1) ?? 0, tasks: all.toSorted((a, b) => b - a), late: all.filter((ms) => ms > 50 / 6).length };
}

/** For people. */
export function told(cost: ScrollCost): string {
  const ms = (number: number): string => number.toFixed(1);
  return `${cost.frames} frames, median ${ms(cost.median)}, longest ${ms(cost.longest)} ms of CPU; longest tasks ${cost.tasks.slice(0, 3).map(ms).join(", ")} ms, ${cost.late} would hold a sixth of this CPU for over 50 ms`;
}
