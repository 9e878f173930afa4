import type { Token } from "./tokens";
import { Tokens } from "./Tokens";
import { useTokens } from "./useTokens";

/** A text in the colours of its language, as the content of a `pre`. */
export function Code({ text, language }: { text: string; language: string | null }) {
  const lines = useTokens(text, language);
  return lines === null ? text : lines.map((line, at) => <Line key={at} line={line} last={at === lines.length - 1} />);
}

function Line({ line, last }: { line: readonly Token[]; last: boolean }) {
  return (
    <>
      <Tokens line={line} plain="" />
      {last ? "" : "\n"}
    </>
  );
}
