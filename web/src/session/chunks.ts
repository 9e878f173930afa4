import { type Entry, same } from "./entries";

/** Lines that are drawn, laid out and passed over together. */
export interface Chunk<T extends { line: Entry }> {
  key: string;
  rows: T[];
}

/** Places of one chunk: a power of two, so that the borders stay where they are whatever comes before or behind. */
const PLACES = 32;

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
  // A prompt that waited stands between the places of another turn, so a bucket may come twice; counted from the end, which older
  // pages do not change.
  const times = new Map<string, number>();
  for (const chunk of found.toReversed()) {
    const time = (times.get(chunk.key) ?? 0) + 1;
    times.set(chunk.key, time);
    if (time > 1) chunk.key = `${chunk.key} ${time}`;
  }
  return found;
}

/** Whether two rows would be drawn alike. */
export function alike<T extends { line: Entry }>(a: T, b: T): boolean {
  const names = Object.keys(a) as (keyof T)[];
  return names.every((name) => name === "line" || a[name] === b[name]) && same(a.line, b.line);
}
