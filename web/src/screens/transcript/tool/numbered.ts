const NUMBERED = /^ *(\d+)(?:→|\t)(.*)$/;

/** A part of a file with the numbers of its lines, as agents print it; null when it is none. What follows it is told apart. */
export function numbered(output: string): { start: number; text: string; rest: string } | null {
  const lines = output.split("\n");
  const taken: string[] = [];
  let start = 0;
  for (const line of lines) {
    const match = NUMBERED.exec(line);
    const number = Number(match?.[1]);
    if (!match || (taken.length > 0 && number !== start + taken.length)) break;
    if (taken.length === 0) start = number;
    taken.push(match[2] ?? "");
  }
  if (taken.length === 0) return null;
  return { start, text: taken.join("\n"), rest: lines.slice(taken.length).join("\n").trim() };
}
