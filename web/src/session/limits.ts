// How much of a vendor's limits an agent's login has used, in words: only what the agent has said, and only while it holds.

import type { AgentEntry, LimitWindow } from "../protocol/generated";
import { words } from "../words";
import { clock } from "../words/time";

/** What is to be read of an agent's limits now, the shortest window first. A host of an older version tells nothing. */
export function limitLines(agent: { health?: Partial<AgentEntry["health"]> } | undefined, nowMs: number): string[] {
  const windows = agent?.health?.limits?.windows ?? [];
  return windows.filter(({ resetsAtMs }) => resetsAtMs === null || resetsAtMs > nowMs).map((window) => line(window, nowMs));
}

function line({ spanMinutes, about, usedPercent, resetsAtMs, standing }: LimitWindow, nowMs: number): string {
  const used = usedPercent === null ? words.limits.standing[standing] : words.limits.used(usedPercent);
  const resets = resetsAtMs === null ? "" : words.limits.resets(clock(resetsAtMs, nowMs));
  return `${words.limits.window(spanMinutes, about)}: ${[used, resets].filter((part) => part !== "").join(", ")}`;
}
