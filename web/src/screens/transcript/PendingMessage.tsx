import { useHub, useRows } from "../../app/context";
import { go } from "../../app/router";
import { useStore } from "../../hub/store";
import { writes } from "../../session/participants";
import type { Pending } from "../../session/pending";
import { words } from "../../words";
import { names, standing, aged, waits } from "../../machines/standing";
import { ago, clock } from "../../words/time";
import { useSeat } from "../sharing/useSeat";
import { HeldPrompt } from "./HeldPrompt";
import { Message } from "./Message";
import { Waiting } from "./Waiting";
import { who } from "./people";

/** A message that waits, or that never got there, with what can be done about it. */
export function PendingMessage({ message, session, now, dismiss }: { message: Pending; session: string; now: number; dismiss: () => void }) {
  const hub = useHub();
  const rows = useRows();
  const me = useStore(hub.me);
  const seat = useSeat(session);
  const { error, place } = message;
  const own = message.sender === null || rows.device.has(message.sender.device);
  const { person, device } = message.sender === null ? { person: words.transcript.you, device: rows.device.get(me?.device ?? "")?.content.name ?? "" } : who(message.sender, rows, me, session);
  const by = rows.command.get(message.command)?.participant ?? null;
  // The hub has it, and the lists are a moment behind: who has to be asked is known already.
  const delivery = seat.role === "editor" && message.delivery === "hub" && message.state === null ? "held" : message.delivery;
  const host = rows.host.get(message.host);
  const live = useStore(hub.socket.connection).state === "live";
  const name = names(rows.host).get(message.host) ?? "";
  // A host that is not there is named, with how long it has been away; one that is there takes the message in a moment.
  const away = host !== undefined && waits(host);
  const how = away ? standing(host, live) : "online";
  const state = away ? [name, aged(how) ? `(${ago(host.seenAtMs, now)})` : ""].join(" ").trim() : "";
  const again = (): void => {
    const whole = hub.whole(message.command);
    // A change that came too late becomes a message of its own.
    const body = whole?.kind === "edit_prompt" ? message.body : (whole ?? message.body);
    // Of what the hub has refused it knows nothing that could be tried again; but what that was to try again, it does.
    const retryOf = rows.command.has(message.command) ? message.command : (hub.sent.get().get(message.command)?.request.retryOf ?? null);
    hub.forget(message.command);
    dismiss();
    if (body) hub.post(message.host, body, null, retryOf);
    else {
      hub.redraft("new", message.text, message.attachments);
      go({ screen: "new", project: null });
    }
  };
  const anew = (): void => {
    hub.redraft(session, message.text, []);
    dismiss();
  };
  if (delivery === "held" && seat.role === "owner") return <HeldPrompt message={message} now={now} />;
  const alone = [...rows.device.values()].filter((each) => each.account === me?.account && each.revokedAtMs === null && each.kind !== "node").length < 2;
  const failed = error === null ? "" : "command" in error ? (error.command === "forbidden" && seat.role !== "owner" ? words.sharing.forbidden(seat.owner) : error.command === "expired" && by !== null && !by.trusted && by.releasedBy === null ? words.sharing.expired(seat.owner || words.transcript.you) : words.error(error.command)) : words.transcript.turnError(error.turn);
  // What the host says of it beside: that it takes nothing of participants, above all.
  const detail = by !== null && delivery === "failed" ? (rows.command.get(message.command)?.content.detail ?? "") : "";
  const retries = own && writes(seat) && !(error && "command" in error && error.command === "already_retried");
  return (
    <Message text={message.text} person={by && !own && person === words.transcript.unknownDevice ? by.name : person} device={device} time={clock(message.atMs, now)} delivery={delivery} host={delivery === "held" ? seat.owner : message.state === "leased" ? "" : state} attachments={message.attachments} again={Boolean(rows.command.get(message.command)?.retryOf)}>
      {failed === "" ? null : (
        <p className="message-error small">
          {failed}
          {detail === "" ? null : ` ${detail}`}
        </p>
      )}
      {delivery === "refused" ? <p className="message-error small">{words.sharing.refused(seat.owner, alone)}</p> : null}
      {delivery === "unknown" && error === null ? (
        <>
          <p className="small">{words.queue.unknown(name)}</p>
          <p className="small soft">{words.queue.againText}</p>
        </>
      ) : null}
      {delivery === "failed" || delivery === "unknown" || delivery === "refused" ? (
        <div className="message-actions">
          {delivery === "refused" && writes(seat) ? (
            <button type="button" className="button small" onClick={anew}>
              {words.sharing.anew}
            </button>
          ) : null}
          {delivery === "refused" || !retries ? null : (
            <button type="button" className="button small" onClick={again}>
              {delivery === "unknown" ? words.queue.again : words.retry}
            </button>
          )}
          <button
            type="button"
            className="button button-plain small"
            onClick={() => {
              hub.forget(message.command);
              dismiss();
            }}
          >
            {words.dismiss}
          </button>
        </div>
      ) : null}
      {delivery === "queued" || delivery === "hub" || delivery === "here" || delivery === "held" ? (
        <Waiting seat={seat} own={own} released={delivery !== "held"} session={session} command={message.command} turn={message.turn} place={place} text={message.text} host={message.host} body={message.body} away={away ? name : ""} expiresAtMs={message.expiresAtMs} leased={message.state === "leased"} now={now} withdrawn={message.withdrawn} open={delivery === "here" && message.tried} />
      ) : null}
    </Message>
  );
}
