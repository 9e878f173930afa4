import { type RefCallback, useCallback, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Store } from "../../hub/store";
import type { Chunk } from "../../session/chunks";
import { Lines, type Row, type Setting } from "./Lines";
import { useDrawn } from "./useDrawn";

/** Height of a line that was never laid out, in pixels: a folded card with the gap below it. It is forgotten once its chunk was seen. */
const LINE_PX = 62;
/** Chunks at the end that are always there and laid out: what grows and what waits for an answer is among them. */
const LAST = 2;

interface Props {
  chunks: readonly Chunk<Row>[];
  setting: Setting;
  /** The place of the line that the reader is at; null at the end. */
  around: Store<number | null>;
  /** Puts the reader back where they were, before anything is painted. */
  settle: () => void;
}

/**
 * The lines of a chat: those around the reader and the last ones are in the page, and of the rest only its height is. What comes and goes
 * has the height that it had, so nothing moves; where a height was only guessed, `settle` puts the reader back in the same frame.
 */
export function Stretch({ chunks, setting, around, settle }: Props) {
  const heights = useHeights();
  const keys = useMemo(() => chunks.map((chunk) => chunk.key), [chunks]);
  const end = Math.max(0, chunks.length - LAST);
  const [from, to] = useDrawn(keys, around, (place) => nearest(chunks, place));
  // After the change and before paint, with what was noted before it.
  useLayoutEffect(settle, [from, to, end, settle]);

  const height = (chunk: Chunk<Row>): number => heights.known.get(chunk.key) ?? chunk.rows.length * LINE_PX;
  const gap = (name: string, start: number, stop: number) => (start >= stop ? [] : [<Gap key={name} chunks={chunks} start={start} stop={stop} height={height} />]);
  const lines = (start: number, stop: number, last: boolean) =>
    chunks.slice(start, stop).map((chunk) => <Lines key={chunk.key} chunk={chunk} setting={setting} last={last} guess={height(chunk)} watch={heights.watch} />);
  const [above, below] = [Math.min(from, end), Math.min(to, end)];
  // One list: a chunk that is no longer among the last stays the same element.
  return [...gap("above", 0, above), ...lines(above, below, false), ...gap("below", below, end), ...lines(end, chunks.length, true)];
}

interface GapProps {
  chunks: readonly Chunk<Row>[];
  start: number;
  stop: number;
  height: (chunk: Chunk<Row>) => number;
}

/** Where lines are that are not in the page now: as high as they, the gaps between their chunks too. */
function Gap({ chunks, start, stop, height }: GapProps) {
  const sum = chunks.slice(start, stop).reduce((sum, chunk) => sum + height(chunk), 0);
  const [first, last] = [chunks[start]?.rows[0]?.line.ord, chunks[stop - 1]?.rows.at(-1)?.line.ord];
  return <div className="undrawn" aria-hidden="true" data-from={first} data-to={last} style={{ height: `calc(${sum}px + ${stop - start - 1} * var(--s4))` }} />;
}

/** The chunk that a place is in, or the one before it. */
function nearest(chunks: readonly Chunk<Row>[], place: number): number {
  const after = chunks.findIndex((chunk) => (chunk.rows[0]?.line.ord ?? 0) > place);
  return Math.max(0, after < 0 ? chunks.length - 1 : after - 1);
}

/** How high each chunk is or was, in pixels, as far as it was ever in the page. */
function useHeights(): { known: ReadonlyMap<string, number>; watch: RefCallback<HTMLElement> } {
  const known = useRef(new Map<string, number>());
  const [observer] = useState(
    () =>
      new ResizeObserver((entries) => {
        for (const { target, borderBoxSize } of entries) {
          const [key, height] = [(target as HTMLElement).dataset.key, borderBoxSize[0]?.blockSize];
          if (key !== undefined && height !== undefined && target.isConnected) known.current.set(key, height);
        }
      }),
  );
  const watch = useCallback<RefCallback<HTMLElement>>(
    (element) => {
      if (element === null) return;
      const height = laidOut(element);
      if (height > 0 && element.dataset.key !== undefined) {
        known.current.set(element.dataset.key, height);
        element.style.containIntrinsicBlockSize = `auto ${height}px`;
      }
      observer.observe(element);
      return () => observer.unobserve(element);
    },
    [observer],
  );
  return { known: known.current, watch };
}

/**
 * Lays out a chunk while nobody sees it, and says how high it is: who comes to it finds the height that it has, and the frame in which they
 * come does not have to do this too.
 */
function laidOut(chunk: HTMLElement): number {
  const last = chunk.lastElementChild;
  return last === null ? 0 : last.getBoundingClientRect().bottom - chunk.getBoundingClientRect().top;
}
