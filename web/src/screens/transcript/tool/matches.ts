/** What a search has found in one file; a search for names only has no lines. */
export interface Found {
  path: string;
  lines: { number: number; text: string }[];
}

const LINE = /^(.+?):(\d+)[:-](.*)$/;
const NOTHING = /^(?:No (?:matches|files) found|Found 0\b)/i;
/** What tools say around their matches. */
const REMARK = /^(?:Found \d+ |--$|\(Results are truncated)/;
const PATH = /^(?:\.{0,2}\/)?[\w@.+~ -]+(?:[/\\][\w@.+~ -]+)*$/;

/** Reads what `grep -n`, a list of files, or their kin have printed; null when it is none of these, then it is shown as it is. */
export function matches(output: string): Found[] | null {
  const found: Found[] = [];
  for (const line of output.split("\n")) {
    if (line.trim() === "" || REMARK.test(line)) continue;
    if (NOTHING.test(line)) return [];
    const match = LINE.exec(line);
    if (match) {
      const [, path = "", number = "0", text = ""] = match;
      const last = found.at(-1);
      const hit = { number: Number(number), text };
      if (last?.path === path) last.lines.push(hit);
      else found.push({ path, lines: [hit] });
    } else if (PATH.test(line.trim()) && /[./\\]/.test(line)) found.push({ path: line.trim(), lines: [] });
    else return null;
  }
  return found;
}

/** How many matches there are: lines where there are some, else files. */
export function count(found: readonly Found[]): { lines: number; files: number } {
  return { lines: found.reduce((sum, each) => sum + each.lines.length, 0), files: new Set(found.map((each) => each.path)).size };
}
