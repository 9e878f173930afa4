import type { Token } from "./tokens";
import "./code.css";

/** One line of code in its colours; `plain` is what stands there until they are known. */
export function Tokens({ line, plain }: { line: readonly Token[] | undefined; plain: string }) {
  if (line === undefined) return plain;
  return line.map((token, at) =>
    token.ink === null ? (
      token.text
    ) : (
      // a piece has no name but its place
      <span key={at} className={`ink-${token.ink}`}>
        {token.text}
      </span>
    ),
  );
}
