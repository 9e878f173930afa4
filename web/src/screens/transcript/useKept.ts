import { startTransition, useEffect, useState } from "react";

/** Reaches to each side of the reader that are in the page: about 1,500 lines each way that can be found and read aloud. */
const KEPT = 12;
/** How many further off a reach is before it leaves, so that one who goes to and fro makes nothing anew. */
const SLACK = 2;

const NONE: ReadonlySet<string> = new Set();

/**
 * Which reaches are in the page: those around the reader, the nearest first. They come one at a time and between the frames, because
 * hundreds of lines at once take longer than a frame has, and because what is begun and not finished is lost when the reader goes on.
 */
export function useKept(keys: readonly string[], middle: number): ReadonlySet<string> {
  const [kept, setKept] = useState(NONE);
  useEffect(() => {
    const near = [...keys.entries()].filter(([at]) => Math.abs(at - middle) <= KEPT).sort(([a], [b]) => Math.abs(a - middle) - Math.abs(b - middle));
    const next = near.find(([, key]) => !kept.has(key))?.[1];
    const stay = new Set(keys.slice(Math.max(0, middle - KEPT - SLACK), middle + KEPT + SLACK + 1));
    const left = [...kept].filter((key) => stay.has(key));
    if (next === undefined && left.length === kept.size) return;
    startTransition(() => setKept(new Set(next === undefined ? left : [...left, next])));
  }, [keys, middle, kept]);
  return kept;
}
