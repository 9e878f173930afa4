import type { Rows } from "../hub/feed";
import { type Command, type CommandKind, LIMITS } from "../protocol/generated";
import { isHeld } from "../session/participants";
import { words } from "../words";

/** How long a message may wait, in milliseconds: what a person can choose. */
export const KEEPS = [5 * 60_000, 60 * 60_000, 24 * 60 * 60_000, 7 * 24 * 60 * 60_000] as const;

/** What waits for a machine that is away, when nothing else was chosen: a day. */
export const KEEP_MS = KEEPS[2];

/** Whether a command carries words that a person waits to be read. */
export function carries(kind: CommandKind): boolean {
  return kind === "start_session" || kind === "fork_session" || kind === "send_prompt";
}

/** The messages that wait at the hub for a machine, in the order in which it will be handed them; what nobody has let run yet is none of them. */
export function lineFor(host: string, rows: Rows): [string, Command][] {
  return [...rows.command].filter(([, command]) => command.host === host && command.state === "queued" && carries(command.kind) && !isHeld(command)).sort(before);
}

/** Where a message stands among those that wait at the hub for its machine. */
export interface Place {
  /** From 1; null when it does not wait there. */
  place: number | null;
  /** How many wait. */
  all: number;
  /** The one before it, which it can be put in front of. */
  ahead: string | null;
}

export function placeOf(id: string, rows: Rows): Place {
  const command = rows.command.get(id);
  if (command?.state !== "queued") return { place: null, all: 0, ahead: null };
  const line = lineFor(command.host, rows);
  const at = line.findIndex(([each]) => each === id);
  return { place: at < 0 ? null : at + 1, all: line.length, ahead: line[at - 1]?.[0] ?? null };
}

/** How often it was tried by itself without having started, and whether it is once more: nothing to say of what began at once. */
export function triesOf(command: Pick<Command, "tried" | "state"> | undefined): string[] {
  const tried = command?.tried;
  if (!tried) return [];
  return [tried.nextAtMs === null ? words.commands.tried(tried.times) : words.commands.trying(tried.times, LIMITS.maxTries)];
}

/** The newest commands, of one machine or of all. */
export function recent(rows: Rows, host: string, most: number): [string, Command][] {
  return [...rows.command]
    .filter(([, command]) => host === "" || command.host === host)
    .sort(([a, left], [b, right]) => right.createdAtMs - left.createdAtMs || (a < b ? 1 : -1))
    .slice(0, most);
}

/** By the places that the hub gives; of an older hub, which gives none, by age. */
function before([a, left]: [string, Command], [b, right]: [string, Command]): number {
  const [here, there] = [left.place ?? null, right.place ?? null];
  if (here !== null && there !== null && here !== there) return here - there;
  return left.createdAtMs - right.createdAtMs || (a < b ? -1 : 1);
}
