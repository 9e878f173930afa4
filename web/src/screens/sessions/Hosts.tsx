import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { words } from "../../words";
import { ago } from "../../words/time";

/** The machines, as plain facts; without a connection nobody can say how they are. */
export function Hosts({ now }: { now: number }) {
  const { host: hosts } = useRows();
  const live = useStore(useHub().socket.connection).state === "live";
  if (hosts.size === 0) return null;
  return (
    <ul className="hosts" aria-label={words.sessions.hosts}>
      {[...hosts].map(([id, host]) => (
        <li key={id} className={live ? `host host-${host.presence}` : "host"}>
          <span className="host-name">{host.content.name}</span>
          <span className="host-dot" aria-hidden="true" />
          <span>{!live ? words.presenceUnknown : host.generation === 0 ? words.machines.never : words.presence(host.presence, ago(host.seenAtMs, now))}</span>
        </li>
      ))}
    </ul>
  );
}
