import { createContext, useContext, useEffect, useState } from "react";
import type { Hub } from "../hub/hub";
import { useStore } from "../hub/store";

export const HubContext = createContext<Hub | null>(null);

/** The hub of this page. */
export function useHub(): Hub {
  const hub = useContext(HubContext);
  if (!hub) throw new Error("a screen is shown without a hub");
  return hub;
}

/** The account's lists. */
export function useRows() {
  return useStore(useHub().rows);
}

/** The hub's clock, looked at again every so often. */
export function useNow(everyMs = 30_000): number {
  const hub = useHub();
  const [now, setNow] = useState(() => hub.now());
  useEffect(() => {
    setNow(hub.now());
    const timer = setInterval(() => setNow(hub.now()), everyMs);
    return () => clearInterval(timer);
  }, [hub, everyMs]);
  return now;
}
