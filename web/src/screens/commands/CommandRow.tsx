import { useState } from "react";
import { useHub, useRows } from "../../app/context";
import type { Refusal } from "../../hub/hub";
import { useStore } from "../../hub/store";
import { placeOf, triesOf } from "../../machines/queue";
import { isHeld } from "../../session/participants";
import { Link } from "../../parts/Link";
import { Mark, type Shape } from "../../parts/Mark";
import { Typed } from "../../parts/Typed";
import type { Command, CommandState } from "../../protocol/generated";
import { words } from "../../words";
import { clock, left } from "../../words/time";
import { EditWords } from "../transcript/EditWords";
import { useSeat } from "../sharing/useSeat";
import { who } from "../transcript/people";

const SHAPES: Record<CommandState, Shape> = { queued: "queued", leased: "waiting", running: "agent", succeeded: "done", failed: "failed", expired: "failed", cancelled: "barred", indeterminate: "waiting" };

interface Props {
  id: string;
  command: Command;
  /** The machine that it is for, by its name here. */
  host: string;
  several: boolean;
  now: number;
}

/** One command: what it asks for, its badge, why it failed and what to do, who sent it, and what can still be done about it. */
export function CommandRow({ id, command, host, several, now }: Props) {
  const hub = useHub();
  const rows = useRows();
  const me = useStore(hub.me);
  const sent = useStore(hub.sent);
  const wish = useStore(hub.wishes).get(id);
  const live = useStore(hub.socket.connection).state === "live";
  const [editing, setEditing] = useState(false);
  const [refused, setRefused] = useState<Refusal>(null);
  const may = me?.about.rights.includes("prompt") ?? false;
  const seat = useSeat(command.session);
  const own = rows.device.has(command.sender.device);
  const held = isHeld(command);
  // Of what others send to a chat of somebody else nothing is the reader's to change; what waits for its owner's word is still its sender's.
  const changes = seat.role === "owner" || (own && held);
  const takes = seat.role === "owner" || own;
  const { text } = command.content;
  const sender = who(command.sender, rows, me, command.session);
  const place = placeOf(id, rows);
  const name = text?.split("\n")[0]?.slice(0, 120) || words.commands.kind(command.kind);
  const waits = command.state === "queued";
  const retried = [...rows.command.values()].some((each) => each.retryOf === id) || [...sent.values()].some(({ request, phase }) => request.retryOf === id && phase !== "refused");
  // The lists do not have all of a chat that is to be started; the device that asked for it does.
  const whole = hub.whole(id) ?? (command.kind === "send_prompt" && text !== null ? { kind: "send_prompt" as const, session: command.session, content: { text, attachments: command.content.attachments ?? [] } } : null);
  // A chat that there is by now is written to; it is not started twice.
  const body = whole?.kind === "start_session" && rows.session.has(whole.session) ? { kind: "send_prompt" as const, session: whole.session, content: { text: whole.content.text ?? "", attachments: whole.content.attachments ?? [] } } : whole;
  const tried = [...sent.entries()].find(([, { request, phase }]) => request.retryOf === id && phase === "refused");
  const retry = (): void => {
    if (tried) hub.forget(tried[0]);
    if (body !== null) hub.post(command.host, body, null, id);
  };
  const again = may && takes && (own || command.participant == null) && !retried && whole !== null && (command.state === "failed" || command.state === "expired" || command.state === "cancelled");
  const facts = [
    words.commands.from(sender.person === words.transcript.you ? sender.device || sender.person : command.participant && sender.person === words.transcript.unknownDevice ? command.participant.name : sender.person),
    ...(several ? [words.commands.to(host)] : []),
    ...(command.retryOf ? [words.commands.again] : []),
    ...(retried ? [words.commands.wasRetried] : []),
    ...(command.attempt > 1 ? [words.commands.attempts(command.attempt)] : []),
    ...triesOf(command),
    ...(place.place === null ? [] : [words.queue.place(place.place, host)]),
    ...(waits ? [words.queue.expires(left(command.expiresAtMs, now))] : []),
  ];
  const why = command.error ? words.error(command.error.code) : command.state === "expired" ? words.queue.expired(host) : command.state === "indeterminate" ? words.queue.unknown(host) : "";
  return (
    <li className="house-row command-row" data-command={id} data-state={command.state}>
      <Mark shape={SHAPES[command.state]} />
      <div className="house-what">
        <span className="command-head">
          {rows.session.has(command.session) ? (
            <Link to={{ screen: "session", session: command.session }} className="command-name">
              {name}
            </Link>
          ) : (
            <span className="command-name">{name}</span>
          )}
          <span className="badge" data-state={command.state}>
            {held ? (seat.role === "owner" ? words.sharing.waitsForYou : words.sharing.waitsForOwner(seat.owner)) : command.state === "cancelled" && isHeld({ ...command, state: "queued" }) ? words.delivery.refused : words.commands.badge(command.state)}
          </span>
        </span>
        <span className="small soft">{[...(text ? [words.commands.kind(command.kind)] : []), ...facts].join(" · ")}</span>
        {why === "" ? null : (
          <span className={command.state === "indeterminate" ? "small" : "small house-bad"}>
            <Typed text={why} />
            {command.content.detail ? <span className="soft"> {command.content.detail}</span> : null}
          </span>
        )}
        {tried?.[1].error ? (
          <span className="small house-bad" role="alert">
            {words.error(tried[1].error)}
          </span>
        ) : null}
        {!wish ? null : (
          <span className="small house-bad" role="alert">
            {words.delivery.notTakenBack(wish)}
          </span>
        )}
        {refused === null ? null : (
          <span className="small house-bad" role="alert">
            {words.queue.refused(refused, words.error)}
          </span>
        )}
        {editing ? (
          <EditWords
            text={text ?? ""}
            save={(changed) => {
              if (changed === text) return setEditing(false);
              // Of what the hub refuses the words stay in the form.
              setRefused(null);
              void hub.changeWords(id, changed).then((why) => (why === null ? setEditing(false) : setRefused(why)));
            }}
            cancel={() => setEditing(false)}
          />
        ) : again ? (
          <span className="command-ways">
            <button type="button" className="button small" aria-label={words.commands.retryLabel(name)} onClick={retry}>
              {words.commands.retry}
            </button>
          </span>
        ) : waits && wish === null ? (
          <span className="small soft" role="status">
            {live ? words.delivery.takingBack : words.delivery.takingBackLater}
          </span>
        ) : waits && held && seat.role === "owner" ? (
          // What it says is read where it is let run.
          <span className="command-ways">
            <Link to={{ screen: "session", session: command.session }} className="button small">
              {words.commands.chat}
            </Link>
          </span>
        ) : waits && may && takes ? (
          <span className="command-ways">
            {text === null || !changes ? null : (
              <button type="button" className="button small" aria-label={words.commands.editLabel(name)} onClick={() => setEditing(true)}>
                {words.commands.edit}
              </button>
            )}
            <button type="button" className="button small" aria-label={words.commands.cancelLabel(name)} onClick={() => hub.withdraw(id)}>
              {words.commands.cancel}
            </button>
          </span>
        ) : null}
      </div>
      <time className="small soft">{clock(command.createdAtMs, now)}</time>
    </li>
  );
}
