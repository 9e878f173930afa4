import { type KeyboardEvent, useContext, useState } from "react";
import { useHub, useRows } from "../../app/context";
import type { Refusal } from "../../hub/hub";
import { useStore } from "../../hub/store";
import { Attachments } from "../../parts/Attachments";
import { Mark } from "../../parts/Mark";
import type { Pending } from "../../session/pending";
import { words } from "../../words";
import { left } from "../../words/time";
import { Still } from "./useStill";

/** Enter that is held presses a button again and again: for an answer, once is what was meant. */
function once(event: KeyboardEvent): void {
  if (event.repeat && event.key === "Enter" && event.target instanceof HTMLButtonElement) event.preventDefault();
}

/** A prompt of somebody who takes part, before whose chat it is has let it run: exactly what it says, and the two answers. */
export function HeldPrompt({ message, now }: { message: Pending; now: number }) {
  const hub = useHub();
  const rows = useRows();
  const me = useStore(hub.me);
  const live = useStore(hub.socket.connection).state === "live";
  const wish = useStore(hub.wishes).get(message.command);
  const [releasing, setReleasing] = useState(false);
  const [refused, setRefused] = useState<Refusal>(null);
  // As with what an agent asks: no answer right after it came, when the tap was meant for what stood there before.
  const still = useContext(Still);
  const hushed = still ? undefined : true;
  const row = rows.command.get(message.command);
  const name = row?.participant?.name ?? "";
  const host = rows.host.get(message.host)?.content.name ?? "";
  // The right that the message itself needs.
  const may = me?.about.rights.includes("prompt") ?? false;
  const busy = releasing || wish === null;
  const release = (): void => {
    if (busy || !still) return;
    setRefused(null);
    setReleasing(true);
    void hub.release(message.command, row?.updatedAtMs ?? 0).then((why) => {
      setRefused(why);
      // Let run, it stays as it is until the lists say so: it is another message then.
      if (why !== null) setReleasing(false);
    });
  };
  const refuse = (): void => {
    if (!busy && still) hub.withdraw(message.command);
  };
  const title = words.sharing.asks(name);
  return (
    <section className="approval" tabIndex={-1} aria-label={title} data-held={message.command} onKeyDown={once}>
      <header className="approval-head">
        <Mark shape="needs" word={words.sessions.states.needs} />
        <div>
          <h2 className="approval-title">{title}</h2>
          <p className="small soft">{words.sharing.asksAbout(host, left(message.expiresAtMs ?? now, now))}</p>
        </div>
      </header>
      {message.text === "" ? null : (
        <div className="approval-words" tabIndex={0} role="group" aria-label={words.sharing.exactly(name)}>
          {message.text}
        </div>
      )}
      <Attachments list={message.attachments} />
      {refused === null ? null : (
        <p className="approval-failed small" role="alert">
          {words.sharing.notReleased(refused === "unreachable" ? words.actions.failed : words.error(refused))}
        </p>
      )}
      {wish ? (
        <p className="approval-failed small" role="alert">
          {words.delivery.notTakenBack(wish)}
        </p>
      ) : null}
      {busy ? (
        <p className="small soft" role="status">
          {releasing ? words.sharing.releasing : live ? words.sharing.refusing : words.sharing.refusingLater}
        </p>
      ) : null}
      {may ? (
        <div className="approval-buttons">
          <button type="button" className="button" data-key="d" disabled={busy} aria-disabled={hushed} onClick={refuse}>
            {words.sharing.refuse}
          </button>
          <button type="button" className="button button-primary" data-key="a" disabled={busy} aria-disabled={hushed} onClick={release}>
            {words.sharing.release}
          </button>
        </div>
      ) : (
        <p className="small soft">{words.sharing.mayNot}</p>
      )}
    </section>
  );
}
