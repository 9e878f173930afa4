import type { Turn } from "../protocol/generated";
import { type Entry, same, turnOf } from "./entries";
import { isFinal } from "./fold";

/** Lines that are drawn, laid out and passed over together. */
export interface Chunk<T> {
  key: string;
  rows: T[];
}

/** How the names of a turn's chunks began when its lines were cut first: so they stay, whatever comes before and behind. */
export type Begun = Map<string, string>;

/** Places of one chunk: a power of two, so that the borders stay where they are whatever comes before or behind. */
const PLACES = 32;

const bucketOf = (ord: number): number => Math.floor(ord / PLACES);

/**
 * Cuts lines into chunks whose borders hang on the places of the lines: an older page that is put in above, or words that come below, leave
 * all other chunks as they were.
 *
 * A prompt that waited stands behind the lines of the turn before, but its place is among theirs. It never shares a chunk with them, nor
 * the name of one: what comes in that turn would tear the chunk apart otherwise, and make all of its lines anew. The same holds for what
 * follows it, until places are reached that no turn before has used.
 *
 * @param begun What was found out before, of the same chat; added to.
 */
export function chunks<T extends { line: Entry; turn?: Turn | undefined }>(rows: readonly T[], begun: Begun): Chunk<T>[] {
  const found: Chunk<T>[] = [];
  let [highest, behind, tag, turn, open] = [-1, -1, "", "", false];
  for (const row of rows) {
    const { ord } = row.line;
    const [of, bucket] = [turnOf(row.line), bucketOf(ord)];
    if (of !== turn) {
      [turn, behind] = [of, highest];
      const queued = row.turn?.state === "queued";
      const late = (queued && open) || (row.turn?.ord ?? ord) < behind;
      tag = begun.get(of) ?? (late ? `${of} ` : tag);
      // One that is next in line and waits for nobody has not waited yet.
      if (late || !queued) begun.set(of, tag);
      open ||= row.turn !== undefined && !isFinal(row.turn.state);
    }
    // All that came before and could share a name ends below this place.
    if (tag !== `${of} ` && bucket > bucketOf(behind)) tag = "";
    const key = `${tag}${bucket}`;
    const last = found.at(-1);
    if (last?.key === key) last.rows.push(row);
    else found.push({ key, rows: [row] });
    highest = Math.max(highest, ord);
  }
  // An older page may bring what would have the same name. Counted from the end, which older pages do not change.
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
