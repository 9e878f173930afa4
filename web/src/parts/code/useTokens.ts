import { useEffect, useState } from "react";
import { type Token, tokens } from "./tokens";

/** Longest text that is coloured, in characters: a slow phone (a sixth of a desktop) takes about 100 ms for it. */
const MAX_COLOURED = 40_000;

type Grammars = typeof import("./grammars");

let loaded: Grammars | null = null;
let loading: Promise<Grammars | null> | null = null;

/** Fetches the grammars once; without a network the code stays as it is, and the next one tries again. */
function grammars(): Promise<Grammars | null> {
  loading ??= import("./grammars").then(
    (found) => (loaded = found),
    () => (loading = null),
  );
  return loading;
}

/** The lines of a text, coloured; null until that is known, or when nothing knows the language: then it is drawn plainly. */
export function useTokens(text: string, language: string | null): Token[][] | null {
  const [found, setFound] = useState<{ text: string; lines: Token[][] } | null>(null);
  const wanted = language !== null && text.length <= MAX_COLOURED;
  useEffect(() => {
    if (!wanted) return;
    let gone = false;
    const mark = (with_: Grammars | null): void => {
      if (!gone && with_ !== null) setFound({ text, lines: tokens(with_.markUp(text, language)) });
    };
    // After the plain text was painted: colours are not worth a wait.
    const timer = setTimeout(() => (loaded === null ? void grammars().then(mark) : mark(loaded)), 0);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [text, language, wanted]);
  return wanted && found?.text === text ? found.lines : null;
}
