import type { Api } from "../hub/api";
import { type Fact, parseFact } from "./fact";
import { Transcript } from "./fold";

/** Reads a session from its end to its beginning; says after each page how much of it is there, from 0 to 1. */
export async function whole(api: Pick<Api, "transcript">, session: string, progress: (share: number) => void, signal: AbortSignal): Promise<Transcript> {
  const transcript = new Transcript();
  let before: string | null = null;
  let end = 0;
  do {
    const page = await api.transcript(session, before);
    signal.throwIfAborted();
    if (before === null) {
      end = place(page.tail);
      for (const fact of facts([...page.facts, ...page.open])) transcript.journal(fact);
    } else transcript.older(facts(page.facts));
    before = page.before;
    progress(before === null || end === 0 ? 1 : 1 - place(before) / end);
  } while (before !== null);
  return transcript;
}

/** The byte that an offset names, behind its epoch. */
function place(offset: string): number {
  return Number(offset.slice(offset.indexOf("_") + 1));
}

function facts(messages: readonly unknown[]): Fact[] {
  return messages.map(parseFact).filter((fact) => fact !== null);
}
