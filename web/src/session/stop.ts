import type { Rows } from "../hub/feed";
import type { Sent } from "../hub/outbox";
import type { CommandKind, ErrorCode } from "../protocol/generated";

/** A stop that was asked for from this page. */
export interface Asked {
  turn: string;
  command: string;
}

/** How a stop stands: none was asked for, or it can be asked for again; it is on its way; it came to nothing, and why. */
export type Stop = { state: "free" } | { state: "going" } | { state: "failed"; error: ErrorCode };

/** How the stop of the running turn stands, by the command that was sent for it and not by what was tapped. */
export function stopOf(running: string | null, stops: readonly Asked[], rows: Rows, sent: ReadonlyMap<string, Sent>): Stop {
  if (running === null) return { state: "free" };
  // Also one that was asked for before this page was loaded anew, and has not left the device.
  const going = [...sent.values()].some(({ request: { body }, phase }) => body.kind === "cancel_turn" && body.turn === running && phase !== "refused");
  if (going) return { state: "going" };
  const last = stops.findLast(({ turn }) => turn === running);
  if (last === undefined) return { state: "free" };
  const here = sent.get(last.command);
  if (here) return { state: "failed", error: here.error ?? "internal" };
  const fact = rows.command.get(last.command);
  if (fact?.state === "failed" || fact?.state === "expired") return { state: "failed", error: fact.state === "expired" ? "expired" : (fact.error?.code ?? "internal") };
  return { state: fact?.state === "cancelled" || fact?.state === "indeterminate" ? "free" : "going" };
}

/** A wish of this device that came to nothing. */
export interface Refused {
  command: string;
  kind: CommandKind;
  error: ErrorCode;
}

/** What has no place of its own in a chat to say that it came to nothing. */
const QUIET: ReadonlySet<CommandKind> = new Set<CommandKind>(["cancel_turn", "set_options", "move_prompt", "steer_prompt"]);

/**
 * The wishes of this device in a chat that came to nothing and are said nowhere else, oldest first.
 *
 * @param stops Those that were asked for with Stop: how they stand is said there.
 * @param sinceMs From when on, by the hub's clock: what is older was seen before.
 */
export function refusals(session: string, rows: Rows, sent: ReadonlyMap<string, Sent>, device: string, sinceMs: number, stops: readonly Asked[]): Refused[] {
  const found: Refused[] = [];
  const own = new Set(stops.map(({ command }) => command));
  for (const [command, { kind, session: of, sender, state, createdAtMs, error }] of rows.command) {
    if (of !== session || !QUIET.has(kind) || sender.device !== device || createdAtMs < sinceMs || (state !== "failed" && state !== "expired")) continue;
    if (own.has(command)) continue;
    found.push({ command, kind, error: state === "expired" ? "expired" : (error?.code ?? "internal") });
  }
  for (const [command, { request, phase, error }] of sent) {
    const { body } = request;
    if (phase !== "refused" || !QUIET.has(body.kind) || body.session !== session || own.has(command)) continue;
    found.push({ command, kind: body.kind, error: error ?? "internal" });
  }
  return found;
}
