import { useEffect, useState } from "react";
import { useHub } from "../app/context";
import type { Connection } from "../hub/socket";
import { useStore } from "../hub/store";
import { words } from "../words";
import "./sign.css";

/** The line between the dots: taut while words flow, slack when idle, broken when the connection is lost. */
export type Line = "taut" | "slack" | "broken";

/** The sign itself: the near dot is you, the far dot is the machine. */
export function SignDrawing({ line, size = 44 }: { line: Line; size?: number }) {
  return (
    <svg className={`sign-drawing sign-${line}`} viewBox="0 0 44 16" width={size} height={(size * 16) / 44} aria-hidden="true">
      <g fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round">
        {line === "taut" ? <path className="sign-line" d="M9 6H35" /> : null}
        {line === "slack" ? <path className="sign-line" d="M8 7C14 16 30 16 36 7" /> : null}
        {line === "broken" ? <path className="sign-line" d="M8 7C10 10.5 12 12 15 13M36 7C34 10.5 32 12 29 13" /> : null}
      </g>
      <circle cx="6" cy="6" r="4" fill="currentColor" />
      <circle className="sign-far" cx="38" cy="6" r="4" fill="currentColor" />
    </svg>
  );
}

/** The sign with the connection's state in words (`quiet`: another one on the page announces them); it says "live" only after the hub has answered on this very socket. */
export function Sign({ flowing, quiet = false }: { flowing: boolean; quiet?: boolean }) {
  const connection = useStore(useHub().socket.connection);
  const said = useSaid(connection);
  const live = connection.state === "live";
  const line: Line = live ? (flowing ? "taut" : "slack") : "broken";
  const slow = connection.state === "live" && connection.slow;
  return (
    <span className="sign" data-connection={connection.state} data-slow={slow || undefined}>
      {live && !slow ? null : (
        <span className="sign-said" aria-hidden="true">
          {said}
        </span>
      )}
      <SignDrawing line={line} />
      <span className="unseen" role={quiet ? undefined : "status"}>
        {words.connection.label(settled(connection))}
      </span>
    </span>
  );
}

/** What is announced: without the seconds, so that a screen reader is not interrupted each second. */
function settled(connection: Connection): string {
  switch (connection.state) {
    case "live":
      return connection.slow ? words.connection.slow : words.connection.live;
    case "offline":
      return words.connection.offline;
    case "stopped":
      return words.connection.stopped;
    case "waiting":
      return connection.blocked ? words.connection.blocked(0) : words.connection.reconnecting(0);
    default:
      return words.connection.connecting;
  }
}

function useSaid(connection: Connection): string {
  const [now, setNow] = useState(() => Date.now());
  const waiting = connection.state === "waiting";
  useEffect(() => {
    if (!waiting) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [waiting]);
  if (connection.state !== "waiting") return settled(connection);
  const say = connection.blocked ? words.connection.blocked : words.connection.reconnecting;
  return say(Math.max(0, Math.ceil((connection.retryAtMs - now) / 1000)));
}
