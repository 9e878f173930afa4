import { type ReactNode, useState } from "react";
import { words } from "../../../words";

/** Lines of output that are shown before all are asked for. */
export const SHOWN_LINES = 12;

interface Props<T> {
  lines: readonly T[];
  /** Which lines are worth seeing first: of output the last ones, of a file the first. */
  from: "start" | "end";
  first?: number;
  /** Nothing is folded. */
  whole?: boolean;
  className?: string;
  /** How a line is drawn, its line break included; by default it is a text. */
  draw?: (line: T, at: number) => ReactNode;
}

/** Lines of a long text, some of them until all are asked for; how many there are is said. */
export function Folded<T>({ lines, from, first = SHOWN_LINES, whole = false, className, draw }: Props<T>) {
  const [all, setAll] = useState(whole);
  // Two lines more are not worth a button.
  const long = lines.length > first + 2;
  const start = all || !long || from === "start" ? 0 : lines.length - first;
  const shown = all || !long ? lines : lines.slice(start, start + first);
  return (
    <div className="folded">
      <pre className={className === undefined ? "code-block" : `code-block ${className}`} tabIndex={0}>
        {draw ? shown.map((line, at) => draw(line, start + at)) : shown.join("\n")}
      </pre>
      {long && !whole ? (
        <button type="button" className="button button-plain tool-more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? (from === "start" ? words.tool.showFirst : words.tool.showLess) : words.tool.showAll(lines.length)}
        </button>
      ) : null}
    </div>
  );
}
