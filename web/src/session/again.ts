import type { Rows } from "../hub/feed";
import type { Sent } from "../hub/outbox";

/** How a message stands that can be sent again. */
export interface Again {
  /** Whether it was sent again already, from this device or another. */
  sent: boolean;
  /** What a new try is to name, so that the hub takes one and no second (W-013); null where there is nothing to name. */
  retryOf: string | null;
}

/**
 * Whether what a command asked can be sent again. A try that never ran (it failed, waited too long, was taken back) is passed over: the next
 * one is another try of that. How the turn of a try ended is said at that turn, where it can be sent again in its turn.
 */
export function sendAgain(command: string | null, rows: Rows, sent: ReadonlyMap<string, Sent>): Again {
  if (command === null) return { sent: false, retryOf: null };
  const tries = new Map<string, string>();
  for (const [id, { retryOf }] of rows.command) if (retryOf) tries.set(retryOf, id);
  let last = command;
  for (let next = tries.get(last); next !== undefined; next = tries.get(last)) {
    const state = rows.command.get(next)?.state;
    if (state !== "failed" && state !== "expired" && state !== "cancelled") return { sent: true, retryOf: last };
    tries.delete(last);
    last = next;
  }
  const going = [...sent.values()].some(({ request, phase }) => request.retryOf === last && phase !== "refused");
  return { sent: going, retryOf: last };
}
