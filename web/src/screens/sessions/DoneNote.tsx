import { useEffect } from "react";
import { useStore } from "../../hub/store";
import { Icon } from "../../parts/Icon";
import { words } from "../../words";
import { done } from "./asked";

/** How long it stays, in milliseconds; what it offers is also to be had in the archive, so nothing is lost when it goes. */
const STAYS_MS = 12_000;

/** What was just done to a chat, and the way back. */
export function DoneNote() {
  const said = useStore(done);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => done.set(null), STAYS_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <div className="done" role="status">
      {said === null ? null : (
        <>
          <span className="done-text small">{said.text}</span>
          {said.undo === null ? null : (
            <button type="button" className="button small" onClick={said.undo}>
              {words.actions.undo}
            </button>
          )}
          <button type="button" className="button button-plain button-square" aria-label={words.close} onClick={() => done.set(null)}>
            <Icon name="cross" />
          </button>
        </>
      )}
    </div>
  );
}
