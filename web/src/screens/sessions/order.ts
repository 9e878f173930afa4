import type { Session } from "../../protocol/generated";
import type { Rows } from "../../hub/feed";
import type { Sent } from "../../hub/outbox";
import { words } from "../../words";

export type Need = "needs" | "working" | "waiting" | "rest";

export interface Row {
  id: string;
  need: Need;
  title: string;
  /** One line of what is happening now, or where it is. */
  doing: string;
  atMs: number;
  dead: boolean;
  /** The host that is waited for. */
  host: string;
}

/** The list: need, then time (needs you, working, waiting, the rest). */
export function listed(rows: Rows, sent: ReadonlyMap<string, Sent>): Row[] {
  const list: Row[] = [];
  const waits = waiting(rows, sent);
  for (const [id, session] of rows.session) {
    if (session.activity === "archived") continue;
    const need = needOf(session, waits.has(id));
    const host = rows.host.get(session.host)?.content.name ?? "";
    const project = rows.project.get(session.project)?.content.name ?? "";
    const where = [host, project].filter((part) => part !== "").join(" · ");
    const now = need === "rest" ? null : session.content.doing;
    list.push({
      id,
      need,
      title: session.content.title || words.sessions.untitled,
      doing: now === null || now === "" ? where : need === "needs" ? now : `${host} · ${now}`,
      atMs: session.updatedAtMs,
      dead: session.activity === "dead",
      host: session.host,
    });
  }
  for (const [id, made] of waits) {
    if (rows.session.has(id)) continue;
    list.push({
      id,
      need: rows.host.get(made.host)?.presence === "online" ? "working" : "waiting",
      title: made.text.split("\n")[0]?.slice(0, 80) || words.sessions.untitled,
      doing: words.sessions.starting,
      atMs: made.atMs,
      dead: false,
      host: made.host,
    });
  }
  const rank: Record<Need, number> = { needs: 0, working: 1, waiting: 2, rest: 3 };
  return list.sort((a, b) => rank[a.need] - rank[b.need] || b.atMs - a.atMs || (a.id < b.id ? 1 : -1));
}

function needOf(session: Session, waits: boolean): Need {
  if (session.activity === "needs_input") return "needs";
  if (session.activity === "working" || session.activity === "starting") return "working";
  return waits ? "waiting" : "rest";
}

/** Sessions for which a message has been sent that its host has not begun with. */
function waiting(rows: Rows, sent: ReadonlyMap<string, Sent>): Map<string, { host: string; text: string; atMs: number }> {
  const found = new Map<string, { host: string; text: string; atMs: number }>();
  for (const command of rows.command.values()) {
    const open = command.state === "queued" || command.state === "leased" || command.state === "running";
    if (!open || (command.kind !== "start_session" && command.kind !== "send_prompt")) continue;
    found.set(command.session, { host: command.host, text: command.content.text ?? "", atMs: command.createdAtMs });
  }
  for (const { request, atMs, phase } of sent.values()) {
    const { body } = request;
    if (phase === "refused" || (body.kind !== "start_session" && body.kind !== "send_prompt")) continue;
    found.set(body.session, { host: request.host, text: body.content.text ?? "", atMs });
  }
  return found;
}
