import { useState } from "react";
import { useHub, useRows } from "../../app/context";
import type { Refusal } from "../../hub/hub";
import { useStore } from "../../hub/store";
import type { CommandBody } from "../../protocol/generated";
import { KEEPS, placeOf, triesOf } from "../../machines/queue";
import { edits } from "../../session/edits";
import { type Seat, arranges, writes } from "../../session/participants";
import { words } from "../../words";
import { left } from "../../words/time";
import { EditWords } from "./EditWords";

interface Props {
  /** What the reader is in this chat, and whether the message is theirs: of a chat of somebody else not everything is theirs to change. */
  seat: Seat;
  own: boolean;
  /** Whether it waits for nobody to let it run. */
  released?: boolean;
  session: string;
  command: string;
  /** The turn that can be stopped before it starts; null while there is only a command. */
  turn: string | null;
  place: number | null;
  text: string;
  host: string;
  /** The turn that waits before it, which it can be put in front of. */
  ahead?: string | null;
  /** Whether the agent has it already, and takes it in at its next step. */
  handed?: boolean;
  /** What was sent, where that is known: another text can take its place. */
  body: CommandBody | null;
  /** The machine that it waits for at the hub; empty where it is there. */
  away?: string;
  /** Until when it waits at the hub. */
  expiresAtMs?: number | null;
  /** Whether the machine has it, and has not begun. */
  leased?: boolean;
  now?: number;
  /** Whether it is being taken back. */
  withdrawn?: boolean;
  /** Whether nobody knows if the hub has it. */
  open?: boolean;
}

/** Under a message that waits: its place in the line, and what can still be done about it. */
export function Waiting({ seat, own, released = true, session, command, turn, place, text, host, body, ahead = null, handed = false, away = "", expiresAtMs = null, leased = false, now = 0, withdrawn = false, open = false }: Props) {
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  // What is typed is kept: the message may stop waiting at any moment, and this form goes with it.
  const message = command === "" ? (turn ?? "") : command;
  const [begun, setBegun] = useState(() => edits.get(hub.kept, session, message));
  const [editing, setEditing] = useState(begun !== null);
  const close = (): void => {
    edits.set(hub.kept, session, message, null);
    setBegun(null);
    setEditing(false);
  };
  const row = rows.session.get(session);
  const owner = row?.host ?? rows.command.get(command)?.host ?? host;
  // The lists do not have all of a chat that is to be started; the device that asked for it does.
  const whole = turn === null ? (hub.whole(command) ?? body) : null;
  const agent = row && rows.host.get(row.host)?.content.agents.find((each) => each.id === row.agent);
  const steers = (agent?.abilities ?? []).includes("steer") && (row?.activity === "working" || row?.activity === "needs_input");
  const live = useStore(hub.socket.connection).state === "live";
  const wish = useStore(hub.wishes).get(command);
  const asked = (kind: "move_prompt" | "steer_prompt" | "cancel_turn"): boolean =>
    turn !== null && [...sent.values()].some(({ request: { body: what }, phase }) => what.kind === kind && what.turn === turn && phase !== "refused");
  const changing = turn !== null && [...sent.values()].some(({ request, phase }) => request.body.kind === "edit_prompt" && request.body.turn === turn && phase !== "refused");
  const back = withdrawn || wish === null || asked("cancel_turn");
  const takeBack = (): void => {
    if (turn !== null && owner !== "") hub.post(owner, { kind: "cancel_turn", session, turn });
    else hub.withdraw(command);
  };
  const [refused, setRefused] = useState<Refusal>(null);
  // At the hub, where every device may change what waits; what the hub does not take is said.
  const ask = (done: Promise<Refusal>): void => {
    setRefused(null);
    void done.then(setRefused);
  };
  const held = turn === null && rows.command.get(command)?.state === "queued" ? placeOf(command, rows) : null;
  const save = (changed: string): void => {
    // Of what the hub refuses the words stay in the form.
    if (held !== null && changed !== text) {
      setRefused(null);
      return void hub.changeWords(command, changed).then((why) => (why === null ? close() : setRefused(why)));
    }
    close();
    if (changed === text) return;
    if (turn !== null) hub.post(owner, { kind: "edit_prompt", session, turn, content: { text: changed } });
    else if (whole?.kind === "send_prompt" || whole?.kind === "start_session" || whole?.kind === "fork_session") hub.rewrite(command, owner, { ...whole, content: { ...whole.content, text: changed } } as CommandBody);
  };
  const complaint =
    refused === null ? null : (
      <span className="small message-error" role="alert">
        {words.queue.refused(refused, words.error)}
      </span>
    );
  if (editing)
    return (
      <EditWords text={text} begun={begun} typed={(typed) => edits.set(hub.kept, session, message, typed === text || typed.trim() === "" ? null : typed)} takesFocus={begun === null} save={save} cancel={close}>
        {complaint}
      </EditWords>
    );
  // Where its machine is there it is handed over in a moment: nothing to say, and nothing that would flicker.
  const atHub = away === "" || turn !== null ? "" : leased ? words.queue.handed(away) : held?.place ? [words.queue.place(held.place, away), ...(expiresAtMs === null ? [] : [words.queue.expires(left(expiresAtMs, now))])].join(" · ") : "";
  const owns = seat.role === "owner";
  const takes = owns || (writes(seat) && (own || arranges(seat)));
  const again = rows.command.get(command)?.tried?.nextAtMs ? triesOf(rows.command.get(command)).join("") : "";
  const life = released || expiresAtMs === null ? "" : words.sharing.kept(left(expiresAtMs, now));
  const line = life !== "" ? life : again !== "" ? again : place === null ? atHub : words.transcript.queuedPlace(place);
  const note = handed ? words.delivery.handed : back ? (live ? words.delivery.takingBack : words.delivery.takingBackLater) : changing ? words.delivery.changing : open ? words.delivery.mayHaveArrived : line;
  const free = !handed && !back && !open && !changing;
  const mayEdit = owns || (turn !== null ? arranges(seat) : own && (!released || command === "" || held === null));
  const editable = free && mayEdit && !leased && (turn !== null || held !== null || whole !== null);
  const longer = held === null || away === "" || expiresAtMs === null || !owns ? [] : KEEPS.filter((ms) => now + ms > expiresAtMs + KEEPS[0]);
  return (
    <div className="message-actions message-waiting">
      <span className="small soft">{note}</span>
      {!wish ? null : (
        <span className="small message-error" role="alert">
          {words.delivery.notTakenBack(wish)}
        </span>
      )}
      {complaint}
      <span className="message-ways">
        {free && arranges(seat) && turn !== null && steers && !asked("steer_prompt") ? (
          <button type="button" className="button button-plain small" title={words.delivery.steerHelp} onClick={() => hub.post(owner, { kind: "steer_prompt", session, turn })}>
            {words.delivery.steer}
          </button>
        ) : null}
        {free && arranges(seat) && turn !== null && ahead !== null && !asked("move_prompt") ? (
          <button type="button" className="button button-plain small" onClick={() => hub.post(owner, { kind: "move_prompt", session, turn, before: ahead })}>
            {words.delivery.moveUp}
          </button>
        ) : null}
        {free && owns && held !== null && held.ahead !== null && away !== "" ? (
          <button type="button" className="button button-plain small" onClick={() => ask(hub.moveBefore(command, held.ahead))}>
            {words.delivery.moveUp}
          </button>
        ) : null}
        {editable ? (
          <button type="button" className="button button-plain small" onClick={() => setEditing(true)}>
            {words.delivery.edit}
          </button>
        ) : null}
        {free && longer.length > 0 ? (
          <select className="message-longer small" aria-label={words.queue.longerLabel} value="" onChange={(event) => ask(hub.keepFor(command, Number(event.target.value)))}>
            <option value="" disabled>
              {words.queue.longer}
            </option>
            {longer.map((ms) => (
              <option key={ms} value={ms}>
                {words.target.ages[String(ms)]}
              </option>
            ))}
          </select>
        ) : null}
        {back || !takes ? null : (
          <button type="button" className="button button-plain small" onClick={takeBack}>
            {words.delivery.takeBack}
          </button>
        )}
      </span>
    </div>
  );
}
