import { useCallback, useEffect, useRef } from "react";
import type { Connection } from "../hub/socket";
import { useStore } from "../hub/store";
import { words } from "../words";
import { useHub } from "./context";
import "./notes.css";

/** How long nobody may have touched the page before it loads itself anew, in milliseconds. */
const IDLE_MS = 15_000;
const LOOK_MS = 1_000;

/** What is to be known of the page itself: a newer build of it, or a device without room. */
export function Notes() {
  const hub = useHub();
  const newer = useStore(hub.fresh.newer);
  const full = useStore(hub.kept.full);
  const connection = useStore(hub.socket.connection);
  const blocked = useBlocked(connection);
  const load = useCallback(() => {
    if (hub.fresh.mayLoad()) hub.fresh.load();
  }, [hub]);
  useIdle(newer !== null, load);
  return (
    <div className="notes" role="status">
      {newer === null ? null : (
        <p className="note small">
          {words.page.newer}
          <button type="button" className="button small" onClick={() => hub.fresh.load()}>
            {words.boot.reload}
          </button>
        </p>
      )}
      {blocked ? <p className="note note-long small">{words.page.blocked}</p> : null}
      {full ? <p className="note note-bad small">{words.page.full}</p> : null}
    </div>
  );
}

/** Stays while another try is under way, so that the note does not come and go with each. */
function useBlocked(connection: Connection): boolean {
  const last = useRef(false);
  if (connection.state === "waiting") last.current = connection.blocked;
  else if (connection.state !== "connecting") last.current = false;
  return last.current;
}

/** Calls once the page is out of sight, or nobody has touched it for a while and nothing is open or being composed in it; never while words stand in it that are kept nowhere. */
function useIdle(wanted: boolean, call: () => void): void {
  useEffect(() => {
    if (!wanted) return;
    let touchedAt = performance.now();
    let composing = false;
    const touch = (): void => {
      touchedAt = performance.now();
    };
    const compose = (event: Event): void => {
      composing = event.type === "compositionstart";
    };
    const look = (): void => {
      // Words that only this page has.
      if (document.querySelector("[data-unkept]")) return;
      const away = document.visibilityState === "hidden";
      const quiet = performance.now() - touchedAt > IDLE_MS && !composing && !document.querySelector("dialog[open]");
      if (away || quiet) call();
    };
    const touches = ["keydown", "input", "pointerdown", "scroll", "wheel"] as const;
    for (const name of touches) window.addEventListener(name, touch, { capture: true, passive: true });
    for (const name of ["compositionstart", "compositionend"]) window.addEventListener(name, compose, true);
    document.addEventListener("visibilitychange", look);
    const timer = setInterval(look, LOOK_MS);
    look();
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
      for (const name of touches) window.removeEventListener(name, touch, true);
      for (const name of ["compositionstart", "compositionend"]) window.removeEventListener(name, compose, true);
    };
  }, [wanted, call]);
}
