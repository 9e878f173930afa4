import { useEffect, useState } from "react";
import { useStore } from "../hub/store";
import { useHub, useRows } from "./context";

/** Counts the turns of the opened chat as read while the page is looked at and knows them. */
export function useReading(session: string | null): void {
  const hub = useHub();
  const row = useRows().session.get(session ?? "");
  const live = useStore(hub.socket.connection).state === "live";
  const seen = useSeen();
  const turns = row?.endedTurns ?? 0;
  useEffect(() => {
    if (session !== null && seen && live && turns > 0) hub.reading.read(session, turns);
  }, [hub, session, seen, live, turns]);
}

/** Whether anybody can see the page. */
function useSeen(): boolean {
  const [seen, setSeen] = useState(() => document.visibilityState === "visible");
  useEffect(() => {
    const look = (): void => setSeen(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return seen;
}
