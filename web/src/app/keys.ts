import { useEffect, useRef } from "react";
import { useHub } from "./context";

/** Keys that go on while they are held. */
const GO_ON: ReadonlySet<string> = new Set(["j", "k"]);

/** Single keys that do something while no text is being typed. One that is held does it once, unless it goes through a list. */
export function useKeys(keys: Record<string, () => void>): void {
  const hub = useHub();
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing || event.metaKey || event.ctrlKey || event.altKey) return;
      const target = event.target instanceof HTMLElement ? event.target : null;
      if (target?.closest("input, textarea, select, [contenteditable]")) return;
      // What lies below an open dialog is out of reach for the keyboard too.
      if (!hub.keys.get() || document.querySelector("dialog[open]")) return;
      const act = latest.current[event.key];
      if (!act) return;
      event.preventDefault();
      if (event.repeat && !GO_ON.has(event.key)) return;
      act();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [hub]);
}
