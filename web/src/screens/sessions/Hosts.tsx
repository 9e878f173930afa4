import { useRows } from "../../app/context";
import { words } from "../../words";
import { ago } from "../../words/time";

/** The machines, as plain facts. */
export function Hosts({ now }: { now: number }) {
  const { host: hosts } = useRows();
  if (hosts.size === 0) return null;
  return (
    <ul className="hosts" aria-label={words.sessions.hosts}>
      {[...hosts].map(([id, host]) => (
        <li key={id} className={`host host-${host.presence}`}>
          <span className="host-name">{host.content.name}</span>
          <span className="host-dot" aria-hidden="true" />
          <span>{words.presence(host.presence, ago(host.seenAtMs, now))}</span>
        </li>
      ))}
    </ul>
  );
}
