import type { Rows } from "../../hub/feed";
import { unread } from "../../hub/marks";
import type { Sent } from "../../hub/outbox";
import { names } from "../../machines/standing";
import type { Session } from "../../protocol/generated";
import { arranges, heldFor, seatOf } from "../../session/participants";
import { words } from "../../words";

export type Need = "needs" | "working" | "waiting" | "unread" | "rest";

export interface Row {
  id: string;
  need: Need;
  title: string;
  /** One line of what is happening now, or where it is. */
  doing: string;
  atMs: number;
  dead: boolean;
  archived: boolean;
  /** Turns that ended since somebody looked. */
  unread: number;
  /** The host that is waited for. */
  host: string;
  project: string;
  /** Everything that a search looks at, in small letters. */
  sought: string;
  /** Whether the hub has it yet: before that there is nothing to rename or to put away. */
  made: boolean;
  /** Whether it runs on a machine other than the one that is looked at, where there are several. */
  elsewhere: boolean;
  /** Whose chat it is; empty for the reader's own. */
  owner: string;
}

const NOTHING: ReadonlyMap<string, number> = new Map();
const RANK: Record<Need, number> = { needs: 0, working: 1, waiting: 2, unread: 3, rest: 4 };

/**
 * The list: need, then time (needs you, working, waiting, unread, the rest). What was put away is at the end of all. With several
 * machines, what runs on another one than the hub's own stands together, each chat once, as high as the neediest of it. At a hub without a
 * machine of its own all are elsewhere, so there what waits for an answer stands where it does everywhere: first, as what needs you.
 *
 * A chat of somebody else stands by its state like one's own, with its owner's name: its machine is none of the reader's, and what it asks is
 * the reader's to answer only where the owner trusts them.
 *
 * @param account The reader's; null while it is not known.
 */
export function listed(rows: Rows, sent: ReadonlyMap<string, Sent>, here: ReadonlyMap<string, number> = NOTHING, own: string | null = null, account: string | null = null): Row[] {
  const list: Row[] = [];
  const waits = waiting(rows, sent);
  const called = names(rows.host);
  const many = rows.host.size > 1;
  const held = heldFor(rows, account);
  // Of a machine that is not there nobody knows what it does now.
  const lost = (host: string): boolean => !["online", "stale", undefined].includes(rows.host.get(host)?.presence);
  const apart = (host: string, need: Need): boolean => many && host !== own && !lost(host) && (need === "working" || (need === "needs" && own !== null));
  for (const [id, session] of rows.session) {
    const count = unread(session, rows.read_mark.get(id), here.get(id) ?? 0);
    const seat = seatOf(id, rows, account);
    const shared = seat.role !== "owner";
    const asks = held.get(id)?.[0]?.[1];
    const state = needOf(session, waits.has(id), count);
    // What the agent asks there waits for somebody else.
    const last = asks ? "needs" : state === "needs" && !arranges(seat) ? "working" : state;
    const away = last === "working" && lost(session.host);
    const need = away ? "waiting" : last;
    const host = shared ? words.sharing.of(seat.owner, seat.host) : (called.get(session.host) ?? "");
    const project = rows.project.get(session.project)?.content.name ?? "";
    const where = [host, project].filter((part) => part !== "").join(" · ");
    const behind = session.activity === "idle" && session.backgroundTasks > 0;
    const now = need === "rest" || need === "unread" ? null : state === "needs" && last === "working" ? words.sharing.waitsForOwner(seat.owner) : behind ? words.sessions.background(session.backgroundTasks) : session.content.doing;
    const title = session.content.title || words.sessions.untitled;
    list.push({
      id,
      need,
      title,
      doing: asks ? words.sharing.asksShort(asks.participant?.name ?? "", asks.content.text?.split("\n")[0]?.slice(0, 120) ?? "") : away ? words.sessions.wasWorking(host) : now === null || now === "" ? where : host === "" || (need === "needs" && !many && !shared) ? now : `${host} · ${now}`,
      atMs: session.updatedAtMs,
      dead: session.activity === "dead",
      // What still works or asks is shown wherever it was put.
      archived: (session.archivedAtMs !== null || session.activity === "archived") && (need === "rest" || need === "unread"),
      unread: count,
      host: session.host,
      project: session.project,
      sought: fold([title, host, project, session.agent].join("\n")),
      made: true,
      elsewhere: !shared && apart(session.host, need),
      owner: seat.owner,
    });
  }
  for (const [id, made] of waits) {
    if (rows.session.has(id)) continue;
    const title = made.text.split("\n")[0]?.slice(0, 80) || words.sessions.untitled;
    const need = rows.host.get(made.host)?.presence === "online" ? "working" : "waiting";
    const host = many ? (called.get(made.host) ?? "") : "";
    list.push({
      id,
      need,
      title,
      doing: need === "waiting" && many ? words.queue.waits(host) : [host, words.sessions.starting].filter((part) => part !== "").join(" · "),
      atMs: made.atMs,
      dead: false,
      archived: false,
      unread: 0,
      host: made.host,
      project: made.project,
      sought: fold(title),
      made: false,
      elsewhere: apart(made.host, need),
      owner: "",
    });
  }
  // Between two ranks: behind those of its own kind that are here.
  const together = list.some((row) => row.elsewhere && row.need === "needs") ? RANK.needs + 0.5 : RANK.working + 0.5;
  const place = (row: Row): number => (row.elsewhere ? together : RANK[row.need]);
  return list.sort((a, b) => Number(a.archived) - Number(b.archived) || place(a) - place(b) || RANK[a.need] - RANK[b.need] || b.atMs - a.atMs || (a.id < b.id ? 1 : -1));
}

/** What is looked for in the list. */
export interface Sought {
  text: string;
  /** A project, or none for all. */
  project: string;
}

/**
 * The rows that fit: every word somewhere in title, machine, project or agent. What was put away shows only to a search. What needs you is
 * hidden by no project: whoever has chosen one an hour ago does not look for it.
 */
export function filtered(rows: readonly Row[], { text, project }: Sought): Row[] {
  const parts = fold(text).split(/\s+/).filter((part) => part !== "");
  return rows.filter((row) => (parts.length > 0 || !row.archived) && (project === "" || row.project === project || (row.need === "needs" && parts.length === 0)) && parts.every((part) => row.sought.includes(part)));
}

/** Letters as people compare them: without case, and without accents. */
function fold(text: string): string {
  return text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLocaleLowerCase();
}

function needOf(session: Session, waits: boolean, count: number): Need {
  if (session.activity === "needs_input") return "needs";
  if (session.activity === "working" || session.activity === "starting" || session.backgroundTasks > 0) return "working";
  return waits ? "waiting" : count > 0 ? "unread" : "rest";
}

/** Sessions for which a message has been sent that its host has not begun with. */
function waiting(rows: Rows, sent: ReadonlyMap<string, Sent>): Map<string, { host: string; project: string; text: string; atMs: number }> {
  const found = new Map<string, { host: string; project: string; text: string; atMs: number }>();
  for (const command of rows.command.values()) {
    const open = command.state === "queued" || command.state === "leased" || command.state === "running";
    if (!open || (command.kind !== "start_session" && command.kind !== "fork_session" && command.kind !== "send_prompt")) continue;
    found.set(command.session, { host: command.host, project: "", text: command.content.text ?? "", atMs: command.createdAtMs });
  }
  for (const { request, atMs, phase } of sent.values()) {
    const { body } = request;
    if (phase === "refused" || (body.kind !== "start_session" && body.kind !== "fork_session" && body.kind !== "send_prompt")) continue;
    found.set(body.session, { host: request.host, project: body.kind === "start_session" ? body.project : body.kind === "fork_session" ? (rows.session.get(body.from)?.project ?? "") : "", text: body.content.text ?? "", atMs });
  }
  return found;
}
