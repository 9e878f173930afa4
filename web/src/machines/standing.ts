import type { Host } from "../protocol/generated";
import type { Standing } from "../words/machines";
import type { Shape } from "../parts/Mark";

export type { Standing } from "../words/machines";

/** How a machine stands. What stops it for good is said before that it is not there; without a hub nobody here can say anything. */
export function standing(host: Pick<Host, "presence" | "generation" | "seenAtMs"> & { reason?: Host["reason"] }, live: boolean): Standing {
  if (!live) return "unknown";
  if (host.reason === "revoked" || host.presence === "revoked") return "revoked";
  if (host.reason === "fenced") return "fenced";
  if (host.reason === "version_incompatible") return "old";
  if (host.presence === "online") return "online";
  if (host.reason === "remote_access_disabled" || host.presence === "disabled") return "disabled";
  // A host of before there were reasons has none.
  if (host.reason === "never_connected" || host.generation === 0 || host.seenAtMs === 0) return "never";
  if (host.presence === "stale") return "stale";
  return host.reason === "stopped" ? "stopped" : "offline";
}

/** Whether its word is about how long it has been away, so that the time goes with it. */
export function aged(standing: Standing): boolean {
  return standing === "stale" || standing === "stopped" || standing === "offline";
}

/** Whether anybody knows when it was last seen, and it is not there now. */
export function seen(standing: Standing): boolean {
  return standing !== "online" && standing !== "unknown" && standing !== "never";
}

/** Whether a message sent now waits: the machine is not there, or not for us. */
export function waits(host: Host | undefined): boolean {
  return host?.presence !== "online";
}

/** Whether a chat can be begun there at all; one that sleeps can. */
export function takes(standing: Standing): boolean {
  return standing !== "revoked";
}

/** The shape that goes with the word. */
export function shapeOf(standing: Standing): Shape {
  switch (standing) {
    case "online":
      return "online";
    case "revoked":
    case "old":
    case "fenced":
      return "failed";
    case "disabled":
      return "barred";
    case "stale":
    case "stopped":
    case "offline":
    case "never":
    case "unknown":
      return "waiting";
  }
}

/** The machines by name, the one of this hub's own node first; equal names keep the order of their ids. */
export function byName(hosts: ReadonlyMap<string, Host>, own: string | null): [string, Host][] {
  return [...hosts].sort(([a, left], [b, right]) => Number(b === own) - Number(a === own) || left.content.name.localeCompare(right.content.name) || (a < b ? -1 : 1));
}

/** What each machine is called. Two of one name are told apart by their system and, if that is the same, by the end of their ids. */
export function names(hosts: ReadonlyMap<string, Host>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const count = (list: Iterable<string>): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const each of list) counts.set(each, (counts.get(each) ?? 0) + 1);
    return counts;
  };
  const plain = count([...hosts.values()].map((host) => host.content.name));
  const wide = count([...hosts.values()].map((host) => `${host.content.name} ${host.content.platform}`));
  for (const [id, { content }] of hosts) {
    const alone = plain.get(content.name) === 1;
    const told = wide.get(`${content.name} ${content.platform}`) === 1;
    found.set(id, alone ? content.name : told ? `${content.name} (${content.platform})` : `${content.name} (${id.slice(-4)})`);
  }
  return found;
}
