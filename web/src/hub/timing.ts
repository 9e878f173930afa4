import { LIMITS } from "../protocol/generated";

/** Time, as a parameter, so that tests need not wait. */
export interface Timing {
  now(): number;
  /** Calls back once after a time in milliseconds, unless taken back. */
  after(ms: number, call: () => void): () => void;
  /** A number from 0 to less than 1. */
  random(): number;
}

/** The browser's own time. */
export const browserTiming: Timing = {
  now: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/** First pause before a new attempt, before jitter. */
const FIRST_PAUSE_MS = 500;

/**
 * Longest pause of a page that somebody looks at, in milliseconds: it is back within 10 s of its network (W-048), also where the
 * browser holds a socket back for up to 5 s after several that failed, as Chromium does.
 */
export const SEEN_PAUSE_MS = 5_000;

/** The pause before an attempt: exponential with full jitter, so that a thousand clients do not come back at once. */
export function pauseMs(attempt: number, random: number, longestMs: number = LIMITS.maxReconnectMs): number {
  const most = Math.min(longestMs, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 16));
  return Math.round(most * random);
}
