import type { Rows } from "../hub/feed";
import type { ApprovalOption, Command, Me, OptionKind, Participant } from "../protocol/generated";

/** What the reader is in a chat, and so what may be done there. The hub and the host check the same once more. */
export interface Seat {
  role: "owner" | "trusted" | "editor" | "viewer";
  /** What the chat's owner is called; empty where that is the reader. */
  owner: string;
  /** What its machine is called, of which a participant knows nothing else; empty where the reader is the owner. */
  host: string;
}

/** The seat of whoever the chat belongs to. */
export const OWNER: Seat = { role: "owner", owner: "", host: "" };

/** The answers that a trusted participant may give: each goes for once. */
const FOR_ONCE: ReadonlySet<OptionKind> = new Set<OptionKind>(["deny", "allow_once", "answer"]);

/** Who takes part in a chat, the longest first. */
export function participantsOf(session: string, rows: Pick<Rows, "participant">): Participant[] {
  return [...rows.participant.values()].filter((each) => each.session === session).sort((a, b) => a.joinedAtMs - b.joinedAtMs || (a.account < b.account ? -1 : 1));
}

/** What an account is in a chat. Where its own part in the chat of another is not known yet, it only watches. */
export function seatOf(session: string, rows: Pick<Rows, "session" | "participant">, account: string | null): Seat {
  const row = rows.session.get(session);
  if (!row || account === null || row.account === account) return OWNER;
  const all = participantsOf(session, rows);
  const own = all.find((each) => each.account === account);
  const names = (own ?? all[0])?.content;
  const role = own?.role === "editor" ? (own.trusted ? "trusted" : "editor") : "viewer";
  return { role, owner: names?.ownerName ?? "", host: names?.hostName ?? "" };
}

/** Whether a seat may write, and stop what runs. */
export function writes(seat: Seat): boolean {
  return seat.role !== "viewer";
}

/** Whether a seat may change the line of what waits: reword, move up, send into the turn that runs. */
export function arranges(seat: Seat): boolean {
  return seat.role === "owner" || seat.role === "trusted";
}

/** Whether a seat may give an answer to what an agent asks. */
export function answers(seat: Seat, option: Pick<ApprovalOption, "kind">): boolean {
  switch (seat.role) {
    case "owner":
      return true;
    case "trusted":
      return FOR_ONCE.has(option.kind);
    case "editor":
      return option.kind === "deny";
    case "viewer":
      return false;
  }
}

/** Whether a prompt of a participant waits for the owner to let it run. */
export function isHeld(command: Pick<Command, "kind" | "state" | "participant">): boolean {
  const by = command.participant ?? null;
  return command.kind === "send_prompt" && command.state === "queued" && by !== null && !by.trusted && by.releasedBy === null;
}

/** The prompts that wait for an account to let them run, by their chats, oldest first. */
export function heldFor(rows: Pick<Rows, "session" | "command">, account: string | null): ReadonlyMap<string, [string, Command][]> {
  const found = new Map<string, [string, Command][]>();
  for (const [id, command] of rows.command) {
    if (!isHeld(command) || rows.session.get(command.session)?.account !== account) continue;
    found.set(command.session, [...(found.get(command.session) ?? []), [id, command]]);
  }
  for (const list of found.values()) list.sort(([a, left], [b, right]) => left.createdAtMs - right.createdAtMs || (a < b ? -1 : 1));
  return found;
}

/** Whether what an agent asks in a chat waits for this account: the owner's, or one that may allow it. */
export function isAsked(session: string, rows: Pick<Rows, "session" | "participant">, account: string | null): boolean {
  return rows.session.get(session)?.activity === "needs_input" && arranges(seatOf(session, rows, account));
}

/** Whether anything in any chat waits for this account. */
export function needsMe(rows: Pick<Rows, "session" | "participant" | "command">, me: Pick<Me, "account"> | null): boolean {
  const account = me?.account ?? null;
  return heldFor(rows, account).size > 0 || [...rows.session.keys()].some((session) => isAsked(session, rows, account));
}
