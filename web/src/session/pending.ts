import type { Rows } from "../hub/feed";
import type { Sent } from "../hub/outbox";
import type { Attachment, Command, CommandBody, CommandState, ErrorCode, Sender, TurnErrorCode } from "../protocol/generated";
import { type Transcript, isFinal } from "./fold";
import { isHeld } from "./participants";

/**
 * Where a message of a person stands. `held`: whose chat it is has to let it run first; `refused`: that was not done.
 */
export type Delivery = "here" | "hub" | "held" | "refused" | "queued" | "agent" | "done" | "failed" | "stopped" | "unknown";

/** A message that the transcript does not show yet, or that never got there. */
export interface Pending {
  command: string;
  text: string;
  delivery: Delivery;
  /** Its place among the turns that wait, from 1. */
  place: number | null;
  error: { command: ErrorCode } | { turn: TurnErrorCode } | null;
  /** The device that sent it; null for this one. */
  device: string | null;
  /** Who sent it; null for this device. */
  sender: Sender | null;
  atMs: number;
  /** The turn that can be stopped before it starts. */
  turn: string | null;
  /** What to send for another try. */
  body: CommandBody | null;
  host: string;
  /** Where its command stands at the hub, and until when it waits there; null while the hub has not said. */
  state: CommandState | null;
  expiresAtMs: number | null;
  /** The files that go with it. */
  attachments: readonly Attachment[];
  /** Of one that is on this device: whether the hub may have it already, and whether its person wants it back. */
  tried: boolean;
  withdrawn: boolean;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * The messages of a session that wait or failed, oldest first.
 *
 * @param tookBack Those that were taken back here: what is cancelled beside them was refused by whose chat it is.
 */
export function pending(session: string, transcript: Transcript, rows: Rows, sent: ReadonlyMap<string, Sent>, tookBack: ReadonlySet<string> = NONE): Pending[] {
  const turns = new Map<string, string>();
  const waiting: string[] = [];
  for (const [id, turn] of transcript.turns()) {
    if (turn.origin.type === "prompt") turns.set(turn.origin.command, id);
    if (turn.state === "queued") waiting.push(id);
  }
  const said = new Set<string>();
  // When the newest of the messages that were said was sent, by the hub's clock, as all commands are: what its machine has written down has
  // the time of that machine, whose clock may be an hour off (W-006).
  let newest = 0;
  for (const [turn, { saidAtMs }] of transcript.parts()) {
    if (saidAtMs === null) continue;
    said.add(turn);
    const origin = transcript.turn(turn)?.origin;
    if (origin?.type === "prompt") newest = Math.max(newest, rows.command.get(origin.command)?.createdAtMs ?? 0);
  }

  const found: Pending[] = [];
  // What another message takes the place of is not shown beside it.
  const replaced = new Set([...sent.values()].flatMap(({ after, request, phase }) => (phase === "refused" ? [] : [after, request.retryOf].flatMap((old) => (old ? [old] : [])))));
  // What was sent again is shown where that stands, on every device.
  for (const { retryOf } of rows.command.values()) if (retryOf) replaced.add(retryOf);
  const place = (turn: string): number | null => (waiting.includes(turn) ? waiting.indexOf(turn) + 1 : null);
  for (const [id, command] of rows.command) {
    if (command.session !== session || command.content.text === null || replaced.has(id)) continue;
    if (command.kind === "edit_prompt") {
      // A change that came too late: its words are kept, and can be sent as a message of their own.
      if ((command.state === "failed" || command.state === "expired") && command.createdAtMs > newest) found.push(late(id, command, session));
      continue;
    }
    const turn = turns.get(id) ?? command.turn;
    if (turn !== null && said.has(turn)) continue;
    const known = turn === null ? undefined : transcript.turn(turn);
    const base = { command: id, text: command.content.text, device: command.sender.device, sender: command.sender, atMs: command.createdAtMs, host: command.host, state: command.state, expiresAtMs: command.expiresAtMs, attachments: command.content.attachments ?? [], body: body(command.kind, session, command.content.text, command.content.attachments), tried: true, withdrawn: false };
    if (known) {
      const ended = isFinal(known.state);
      if (ended && known.state !== "failed") continue;
      // Its machine vanished: what the turn was doing then is not what it does now.
      const delivery: Delivery = ended ? "failed" : command.state === "indeterminate" ? "unknown" : known.state === "queued" ? "queued" : "agent";
      found.push({ ...base, delivery, place: turn === null ? null : place(turn), error: known.error ? { turn: known.error.code } : null, turn });
    } else if (isHeld(command)) {
      found.push({ ...base, delivery: "held", place: null, error: null, turn: null });
    } else if (command.state === "cancelled" && isHeld({ ...command, state: "queued" }) && rows.device.has(command.sender.device) && !tookBack.has(id) && command.createdAtMs > newest) {
      found.push({ ...base, delivery: "refused", place: null, error: null, turn: null });
    } else if (command.state === "queued" || command.state === "leased") {
      found.push({ ...base, delivery: "hub", place: null, error: null, turn: null });
    } else if (command.state === "indeterminate") {
      found.push({ ...base, delivery: "unknown", place: null, error: null, turn: null });
    } else if (command.state === "running") {
      found.push({ ...base, delivery: "queued", place: null, error: null, turn });
    } else if ((command.state === "failed" || command.state === "expired") && command.createdAtMs > newest) {
      const code = command.state === "expired" ? "expired" : (command.error?.code ?? "internal");
      found.push({ ...base, delivery: "failed", place: null, error: { command: code }, turn: null });
    }
  }
  for (const [id, { request, atMs, phase, error, tried = true, withdrawn = false }] of sent) {
    const { body: what } = request;
    if (replaced.has(id) || rows.command.has(id) || turns.has(id) || what.kind === "cancel_turn" || what.session !== session) continue;
    const change = what.kind === "edit_prompt" && phase === "refused";
    if (what.kind !== "start_session" && what.kind !== "fork_session" && what.kind !== "send_prompt" && !change) continue;
    const text = what.content.text ?? "";
    // Too old for the hub to know: whoever sees the chat can say whether it ran, and nothing is sent again without them.
    const forgotten = error === "command_too_old" && tried;
    const delivery: Delivery = forgotten ? "unknown" : phase === "refused" ? "failed" : phase === "acked" ? "hub" : "here";
    found.push({ command: id, text, delivery, place: null, error: error ? { command: error } : null, device: null, sender: null, atMs, turn: null, body: change ? body("send_prompt", session, text) : what, host: request.host, state: null, expiresAtMs: null, attachments: what.kind === "edit_prompt" ? [] : what.content.attachments, tried, withdrawn });
  }
  return found.sort((a, b) => a.atMs - b.atMs || (a.command < b.command ? -1 : 1));
}

function late(id: string, command: Command, session: string): Pending {
  const text = command.content.text ?? "";
  const code = command.state === "expired" ? "expired" : (command.error?.code ?? "internal");
  return { command: id, text, delivery: "failed", place: null, error: { command: code }, device: command.sender.device, sender: command.sender, atMs: command.createdAtMs, turn: null, body: body("send_prompt", session, text), host: command.host, state: command.state, expiresAtMs: command.expiresAtMs, attachments: [], tried: true, withdrawn: false };
}

/** Another try of a failed prompt; a failed start is tried again from its own screen, unless this device still has its body. */
function body(kind: string, session: string, text: string, attachments: Attachment[] = []): CommandBody | null {
  return kind === "send_prompt" ? { kind: "send_prompt", session, content: { text, attachments } } : null;
}

/** Where the message that began a turn stands. */
export function delivered(state: string | undefined): Delivery {
  switch (state) {
    case "queued":
      return "queued";
    case "running":
    case "awaiting_approval":
      return "agent";
    case "failed":
      return "failed";
    case "interrupted":
      return "stopped";
    default:
      return "done";
  }
}
