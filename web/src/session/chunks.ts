import { type Entry, same } from "./entries";

/** Lines that are drawn, laid out and passed over together. */
export interface Chunk<T extends { line: Entry }> {
  key: string;
  rows: T[];
}

/** Chunks that come into the page and leave it together. */
export interface Reach<T extends { line: Entry }> {
  key: string;
  chunks: Chunk<T>[];
}

/** Places of one chunk: a power of two, so that the borders stay where they are whatever comes before or behind. */
const PLACES = 32;
/** Chunks of one reach, by their places. */
const CHUNKS = 8;

/**
 * Cuts lines into chunks whose borders hang on the places of the lines alone: an older page that is put in above, or words that come
 * below, leave all other chunks as they were.
 */
export function chunks<T extends { line: Entry }>(rows: readonly T[]): Chunk<T>[] {
  const found: Chunk<T>[] = [];
  let bucket = -1;
  for (const row of rows) {
    const of = Math.floor(row.line.ord / PLACES);
    const last = found.at(-1);
    if (last && of === bucket) last.rows.push(row);
    else found.push({ key: String(of), rows: [row] });
    bucket = of;
  }
  return named(found);
}

/** Joins chunks to reaches, whose borders hang on the places alone, too. */
export function reaches<T extends { line: Entry }>(chunks: readonly Chunk<T>[]): Reach<T>[] {
  const found: Reach<T>[] = [];
  for (const chunk of chunks) {
    const key = String(Math.floor(Number.parseInt(chunk.key, 10) / CHUNKS));
    const last = found.at(-1);
    if (last?.key === key) last.chunks.push(chunk);
    else found.push({ key, chunks: [chunk] });
  }
  return named(found);
}

/**
 * Gives each a key of its own. A prompt that waited stands between the places of another turn, so a bucket may come twice; counted
 * from the end, which older pages do not change.
 */
function named<T extends { key: string }>(found: T[]): T[] {
  const times = new Map<string, number>();
  for (const each of found.toReversed()) {
    const time = (times.get(each.key) ?? 0) + 1;
    times.set(each.key, time);
    if (time > 1) each.key = `${each.key} ${time}`;
  }
  return found;
}

/** Whether two rows would be drawn alike. */
export function alike<T extends { line: Entry }>(a: T, b: T): boolean {
  const names = Object.keys(a) as (keyof T)[];
  return names.every((name) => name === "line" || a[name] === b[name]) && same(a.line, b.line);
}
