import { useEffect, useState } from "react";
import { useHub } from "../../app/context";
import { ApiError } from "../../hub/api";
import type { Access, Host } from "../../protocol/generated";
import { words } from "../../words";
import { Confirm } from "./Confirm";

/** How often to look how many devices are there, while the page is visible, in milliseconds. */
const LOOK_MS = 10_000;

/** The owner's switch for devices beyond the machine: seen everywhere, turned on the machine itself. */
export function RemoteAccess({ state }: { state: Host["remoteAccess"] }) {
  const hub = useHub();
  const [access, setAccess] = useState<Access | null>(null);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    let gone = false;
    const look = (): void => {
      if (document.visibilityState === "hidden") return;
      hub.api.access().then(
        (found) => {
          if (!gone) setAccess(found);
        },
        // What the feed says stands; how many are there is not known then.
        () => {},
      );
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [hub, state]);
  const off = state === "disabled";
  const turn = async (to: Access["state"]): Promise<void> => setAccess(await hub.api.setAccess(to));
  const switchOn = (): void => {
    setFailed("");
    turn("active").catch((error: unknown) => setFailed(error instanceof ApiError ? words.actions.failedBecause(words.error(error.problem.code)) : words.actions.failed));
  };
  return (
    <span className="house-access">
      <span className="small" role="status">
        {failed !== "" ? failed : off ? words.access.off : words.access.on(access?.clients ?? 0)}
      </span>
      {!access?.here ? null : off ? (
        <button type="button" className="button button-plain small" aria-label={words.access.switchOnLabel} onClick={switchOn}>
          {words.access.switchOn}
        </button>
      ) : (
        <Confirm button={words.access.switchOff} label={words.access.switchOffLabel} title={words.access.title} texts={[words.access.text]} yes={words.access.switchOff} act={() => turn("disabled")} />
      )}
    </span>
  );
}
