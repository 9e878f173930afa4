import { useRef } from "react";
import { useRows } from "../../app/context";
import type { Session } from "../../protocol/generated";
import type { Seat } from "../../session/participants";

/** A chat that was somebody else's: whose, and what it was called. */
export interface Gone {
  owner: string;
  title: string;
}

/**
 * The chat of somebody else that was shown here and is not shared any more. By the lists, which hear of it at once: what was shown of the chat
 * goes with it, whatever its streams still say.
 */
export function useGone(session: string, row: Session | undefined, seat: Seat): Gone | null {
  const { ready } = useRows();
  const seen = useRef<(Gone & { session: string }) | null>(null);
  if (row) seen.current = seat.role === "owner" ? null : { session, owner: seat.owner, title: row.content.title };
  return !row && ready && seen.current?.session === session ? seen.current : null;
}
