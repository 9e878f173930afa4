import { createContext, useEffect, useState } from "react";

/** How long a question takes no answer after it came or changed, in milliseconds: a tap that was meant for what stood there before is over by then. */
const STILL_MS = 500;

/** Whether the questions of a chat have been the same for long enough to be answered. */
export const Still = createContext(true);

/**
 * Whether something has been the same for `STILL_MS`: false from the very render that brings another key, true a while after that was
 * painted. An empty key is always still.
 */
export function useStill(key: string): boolean {
  const [known, setKnown] = useState("");
  useEffect(() => {
    if (key === "") return;
    const timer = setTimeout(() => setKnown(key), STILL_MS);
    return () => {
      clearTimeout(timer);
      // What comes back has to be the same for as long again.
      setKnown("");
    };
  }, [key]);
  return key === "" || key === known;
}
