/** A line of a comparison. */
export interface DiffLine {
  sign: "+" | "-" | " ";
  text: string;
  /** Its place, from 0: in the old text when it was removed, else in the new one. */
  at: number;
}

/** Largest comparison, in pairs of lines. */
const MAX_PAIRS = 4_000_000;
/** Lines that are shown around a change. */
const CONTEXT = 3;

const lines = (text: string): string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));

/** Compares two texts by line; null when they are too long to compare here. */
export function diff(before: string, after: string): DiffLine[] | null {
  const old = lines(before);
  const now = lines(after);
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old[old.length - 1 - end] === now[now.length - 1 - end]) end += 1;
  const left = old.slice(start, old.length - end);
  const right = now.slice(start, now.length - end);
  if (left.length * right.length > MAX_PAIRS) return null;
  const same = (from: number) => (text: string, at: number): DiffLine => ({ sign: " ", text, at: from + at });
  return [...now.slice(0, start).map(same(0)), ...middle(left, right, start), ...now.slice(now.length - end).map(same(now.length - end))];
}

/** The longest common lines, by the table of their lengths. */
function middle(left: readonly string[], right: readonly string[], start: number): DiffLine[] {
  const width = right.length + 1;
  const table = new Uint32Array((left.length + 1) * width);
  const at = (i: number, j: number): number => table[i * width + j] ?? 0;
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const [a, b] = [left[i], right[j]];
    if (a !== undefined && a === b) {
      found.push({ sign: " ", text: a, at: start + j });
      i += 1;
      j += 1;
    } else if (a !== undefined && (b === undefined || at(i + 1, j) >= at(i, j + 1))) {
      found.push({ sign: "-", text: a, at: start + i });
      i += 1;
    } else {
      found.push({ sign: "+", text: b ?? "", at: start + j });
      j += 1;
    }
  }
  return found;
}

/** The changes with some lines around each; null stands for what was left out between them. */
export function hunks(all: readonly DiffLine[]): (DiffLine | null)[] {
  const near = all.map((_, at) => all.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some((line) => line.sign !== " "));
  const found: (DiffLine | null)[] = [];
  all.forEach((line, at) => {
    if (near[at]) found.push(line);
    else if (found.length > 0 && found.at(-1) !== null) found.push(null);
  });
  if (found.at(-1) === null) found.pop();
  return found;
}

/** How many lines were added and removed. */
export function counts(all: readonly DiffLine[]): { added: number; removed: number } {
  return { added: all.filter((line) => line.sign === "+").length, removed: all.filter((line) => line.sign === "-").length };
}
