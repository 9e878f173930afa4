import type { Rows } from "../hub/feed";
import { byName, standing, takes } from "./standing";

/** Where a device remembers the machine that it last began a chat on. */
export const LAST_MACHINE = "machine";

/** The machines on which a chat can be begun, by name. */
export function targets(rows: Rows, own: string | null): ReturnType<typeof byName> {
  return byName(rows.host, own).filter(([, host]) => takes(standing(host, true)));
}

/**
 * The likeliest machine for the next chat: the first of the wishes that is there, else that of the newest chat, else one that is online,
 * else any; empty when there is none.
 */
export function likeliest(rows: Rows, wishes: readonly (string | null | undefined)[], own: string | null): string {
  const all = targets(rows, own);
  const has = (id: string | null | undefined): id is string => all.some(([each]) => each === id);
  const newest = [...rows.session.values()].filter((session) => has(session.host)).sort((a, b) => b.createdAtMs - a.createdAtMs)[0];
  return wishes.find(has) ?? newest?.host ?? all.find(([, host]) => host.presence === "online")?.[0] ?? all[0]?.[0] ?? "";
}

/** The newest thing that chats of a machine used: the likeliest wish for the next one; empty when there were none. */
export function lastUsed(rows: Rows, host: string, what: "project" | "agent"): string {
  let newest: { project: string; agent: string; createdAtMs: number } | null = null;
  for (const session of rows.session.values()) if (session.host === host && (newest === null || session.createdAtMs > newest.createdAtMs)) newest = session;
  return newest?.[what] ?? "";
}
