import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { aged, byName, names, standing } from "../../machines/standing";
import { words } from "../../words";
import { ago } from "../../words/time";

/** Up to how many machines are named one by one; beyond that only how many of them are there is said here. */
const NAMED = 4;

/** The machines, as plain facts; without a connection nobody can say how they are. */
export function Hosts({ now }: { now: number }) {
  const { host: hosts } = useRows();
  const hub = useHub();
  const own = useStore(hub.me)?.host ?? null;
  const live = useStore(hub.socket.connection).state === "live";
  if (hosts.size === 0) return null;
  const called = names(hosts);
  // What was revoked is not one of the machines to think of any more; it is told where all is told.
  const shown = byName(hosts, own).filter(([, host]) => hosts.size === 1 || host.presence !== "revoked");
  if (live && shown.length > NAMED) {
    const online = shown.filter(([, host]) => host.presence === "online").length;
    return <p className="hosts">{words.machines.count(online, shown.length)}</p>;
  }
  return (
    <ul className="hosts" aria-label={words.sessions.hosts}>
      {shown.map(([id, host]) => {
        const how = standing(host, live);
        return (
          <li key={id} className={`host host-${how}`}>
            <span className="host-name">{called.get(id)}</span>
            <span className="host-dot" aria-hidden="true" />
            <span>{`${words.machines.state(how)} ${aged(how) ? ago(host.seenAtMs, now) : ""}`.trim()}</span>
          </li>
        );
      })}
    </ul>
  );
}
