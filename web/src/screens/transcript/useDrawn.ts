import { startTransition, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { Store } from "../../hub/store";

/** Chunks to each side of the reader that are in the page: 600 to 1,200 lines each way that can be found and read aloud. */
const KEPT = 40;
/** How many further off a chunk is before it leaves, so that one who goes to and fro makes nothing anew. */
const SLACK = 4;
/** The chunk of the reader and how many behind it are there at once: more than a screen. */
const AT_ONCE = 3;

/** First chunk that is in the page, and the first behind them that is not. */
export type Drawn = readonly [from: number, to: number];

/**
 * Which chunks are in the page: always those that the reader looks at, and to both sides as many as are kept. They come one at a time
 * and between the frames, because hundreds of lines at once take longer than a frame has. What is too far off leaves with what comes:
 * every change of the page costs a frame something.
 *
 * @param keys Names of all chunks, which older pages that come in above do not change.
 * @param around The place that the reader is at; null at the end.
 * @param at Which chunk a place is in.
 */
export function useDrawn(keys: readonly string[], around: Store<number | null>, at: (place: number) => number): Drawn {
  const [held, setHeld] = useState<readonly string[]>([]);
  const [place, setPlace] = useState(around.get);
  const middleOf = (place: number | null): number => (place === null ? keys.length - 1 : at(place));
  const middle = middleOf(place);
  const drawn = step(among(held, keys), middle, keys.length);
  const [from, to] = drawn;

  const [first, last] = [keys[from], keys[to - 1]];
  useEffect(() => {
    if (first === undefined || last === undefined || (held[0] === first && held.at(-1) === last)) return;
    startTransition(() => setHeld(keys.slice(from, to)));
  }, [first, last, held]);

  const there = useRef((_: number | null): boolean => false);
  useLayoutEffect(() => {
    there.current = (place) => {
      const [start, stop] = atOnce(middleOf(place), keys.length);
      return from <= start && stop <= to;
    };
  });
  useEffect(
    () =>
      around.watch(() => {
        const place = around.get();
        if (there.current(place)) startTransition(() => setPlace(place));
        // Where nothing is in the page yet, it has to come with this very frame.
        else flushSync(() => setPlace(place));
      }),
    [around],
  );
  return drawn;
}

/**
 * Where those that are in the page stand now; null when none of them is there any more. One at their edge may have got another name: what
 * waited has begun, and stands somewhere else. The others stay.
 */
export function among(held: readonly string[], keys: readonly string[]): Drawn | null {
  const first = held.find((key) => keys.includes(key));
  const last = held.findLast((key) => keys.includes(key));
  return first === undefined || last === undefined ? null : [keys.indexOf(first), keys.lastIndexOf(last) + 1];
}

/** What is in the page next, of so many chunks, when the reader is at `middle`: what stays of what was, and one more to each side. */
export function step(known: Drawn | null, middle: number, count: number): Drawn {
  const near = atOnce(middle, count);
  if (known === null || known[0] < 0) return near;
  const from = Math.max(known[0], middle - KEPT - SLACK);
  const to = Math.min(known[1], middle + KEPT + SLACK + 1);
  // A reader who leapt somewhere else begins anew there. A few chunks that came at once are no leap.
  if (from >= to || from > near[1] + SLACK || to < near[0] - SLACK) return near;
  const [first, end] = [Math.min(from, near[0]), Math.max(to, near[1])];
  return [first > Math.max(0, middle - KEPT) ? first - 1 : first, end < Math.min(count, middle + KEPT + 1) ? end + 1 : end];
}

/** What has to be there with the frame in which the reader comes. */
function atOnce(middle: number, count: number): Drawn {
  return [Math.max(0, Math.min(middle, count - 1)), Math.min(count, middle + AT_ONCE)];
}
