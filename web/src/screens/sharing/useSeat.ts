import { useMemo } from "react";
import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { type Seat, seatOf } from "../../session/participants";

/** What the reader is in a chat; the same object as long as that is so. */
export function useSeat(session: string): Seat {
  const rows = useRows();
  const account = useStore(useHub().me)?.account ?? null;
  const { role, owner, host } = seatOf(session, rows, account);
  return useMemo(() => ({ role, owner, host }), [role, owner, host]);
}
