import { useHub, useRows } from "../../app/context";
import { go } from "../../app/router";
import { useStore } from "../../hub/store";
import type { Pending } from "../../session/pending";
import { words } from "../../words";
import { names, standing, aged, waits } from "../../machines/standing";
import { ago, clock } from "../../words/time";
import { Message } from "./Message";
import { Waiting } from "./Waiting";

/** A message that waits, or that never got there, with what can be done about it. */
export function PendingMessage({ message, session, now, dismiss }: { message: Pending; session: string; now: number; dismiss: () => void }) {
  const hub = useHub();
  const rows = useRows();
  const me = useStore(hub.me);
  const device = rows.device.get(message.device ?? me?.device ?? "")?.content.name ?? "";
  const { error, delivery, place } = message;
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
  return (
    <Message text={message.text} person={words.transcript.you} device={device} time={clock(message.atMs, now)} delivery={delivery} host={message.state === "leased" ? "" : state} attachments={message.attachments} again={Boolean(rows.command.get(message.command)?.retryOf)}>
      {error ? <p className="message-error small">{"command" in error ? words.error(error.command) : words.transcript.turnError(error.turn)}</p> : null}
      {delivery === "unknown" && error === null ? (
        <>
          <p className="small">{words.queue.unknown(name)}</p>
          <p className="small soft">{words.queue.againText}</p>
        </>
      ) : null}
      {delivery === "failed" || delivery === "unknown" ? (
        <div className="message-actions">
          {error && "command" in error && error.command === "already_retried" ? null : (
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
      {delivery === "queued" || delivery === "hub" || delivery === "here" ? (
        <Waiting session={session} command={message.command} turn={message.turn} place={place} text={message.text} host={message.host} body={message.body} away={away ? name : ""} expiresAtMs={message.expiresAtMs} leased={message.state === "leased"} now={now} withdrawn={message.withdrawn} open={delivery === "here" && message.tried} />
      ) : null}
    </Message>
  );
}
