import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import type { Host } from "../../protocol/generated";
import { words } from "../../words";
import { ago } from "../../words/time";
import { Agents } from "./Agents";
import { RemoteAccess } from "./RemoteAccess";

/** Why a machine is not online, as far as anybody can say (W-065). */
export function reason(host: Pick<Host, "presence" | "generation" | "seenAtMs">, live: boolean, now: number): string {
  const time = ago(host.seenAtMs, now);
  if (!live) return words.machines.hubUnreachable;
  if (host.presence === "online") return words.machines.online;
  if (host.presence === "disabled") return words.machines.disabled;
  if (host.presence === "revoked") return words.machines.revoked;
  if (host.generation === 0 || host.seenAtMs === 0) return words.machines.neverConnected;
  return host.presence === "stale" ? words.machines.stale(time) : words.machines.leaseExpired(time);
}

/** The machines that run agents, and why one of them is not there. */
export function Machines({ now }: { now: number }) {
  const { host: hosts } = useRows();
  const hub = useHub();
  const me = useStore(hub.me);
  const live = useStore(hub.socket.connection).state === "live";
  if (hosts.size === 0) return null;
  return (
    <section className="house-part" aria-labelledby="machines">
      <h2 id="machines">{words.sessions.hosts}</h2>
      <ul className="house-list">
        {[...hosts].map(([id, host]) => (
          <li key={id} className="house-row">
            <span className="house-what">
              <span className="house-name">
                {host.content.name}
                {live && host.presence === "online" ? <span className="house-dot" aria-hidden="true" /> : null}
              </span>
              <span className="small soft">{[host.content.platform, words.machines.version(host.content.version)].join(" · ")}</span>
              <span className="small">{reason(host, live, now)}</span>
              {id === me?.host ? <RemoteAccess state={host.remoteAccess} /> : null}
              <Agents host={host.content.name} agents={host.content.agents} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
