import { useEffect, useRef, useState } from "react";
import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import type { CommandBody } from "../../protocol/generated";
import { words } from "../../words";
import { tooLong } from "./length";

interface Props {
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
  /** Whether it is being taken back. */
  withdrawn?: boolean;
  /** Whether nobody knows if the hub has it. */
  open?: boolean;
}

/** Under a message that waits: its place in the line, and what can still be done about it. */
export function Waiting({ session, command, turn, place, text, host, body, ahead = null, handed = false, withdrawn = false, open = false }: Props) {
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  const [draft, setDraft] = useState<string | null>(null);
  const row = rows.session.get(session);
  const owner = row?.host ?? rows.command.get(command)?.host ?? host;
  // The lists do not have all of a chat that is to be started; the device that asked for it does.
  const whole = turn === null ? (hub.whole(command) ?? body) : null;
  const agent = row && rows.host.get(row.host)?.content.agents.find((each) => each.id === row.agent);
  const steers = (agent?.abilities ?? []).includes("steer") && (row?.activity === "working" || row?.activity === "needs_input");
  const asked = (kind: "move_prompt" | "steer_prompt"): boolean =>
    turn !== null && [...sent.values()].some(({ request: { body: what }, phase }) => what.kind === kind && what.turn === turn && phase !== "refused");
  const changing = turn !== null && [...sent.values()].some(({ request, phase }) => request.body.kind === "edit_prompt" && request.body.turn === turn && phase !== "refused");
  const takeBack = (): void => {
    if (turn !== null && owner !== "") hub.post(owner, { kind: "cancel_turn", session, turn });
    else hub.withdraw(command);
  };
  const save = (changed: string): void => {
    setDraft(null);
    if (changed === text) return;
    if (turn !== null) hub.post(owner, { kind: "edit_prompt", session, turn, content: { text: changed } });
    else if (whole?.kind === "send_prompt" || whole?.kind === "start_session" || whole?.kind === "fork_session") hub.rewrite(command, owner, { ...whole, content: { ...whole.content, text: changed } } as CommandBody);
  };
  if (draft !== null) return <Edit text={draft} save={save} cancel={() => setDraft(null)} />;
  const line = place === null ? "" : words.transcript.queuedPlace(place);
  const note = handed ? words.delivery.handed : withdrawn ? words.delivery.takingBack : changing ? words.delivery.changing : open ? words.delivery.mayHaveArrived : line;
  const free = !handed && !withdrawn && !open && !changing;
  const editable = free && (turn !== null || whole !== null);
  return (
    <div className="message-actions message-waiting">
      <span className="small soft">{note}</span>
      <span className="message-ways">
        {free && turn !== null && steers && !asked("steer_prompt") ? (
          <button type="button" className="button button-plain small" title={words.delivery.steerHelp} onClick={() => hub.post(owner, { kind: "steer_prompt", session, turn })}>
            {words.delivery.steer}
          </button>
        ) : null}
        {free && turn !== null && ahead !== null && !asked("move_prompt") ? (
          <button type="button" className="button button-plain small" onClick={() => hub.post(owner, { kind: "move_prompt", session, turn, before: ahead })}>
            {words.delivery.moveUp}
          </button>
        ) : null}
        {editable ? (
          <button type="button" className="button button-plain small" onClick={() => setDraft(text)}>
            {words.delivery.edit}
          </button>
        ) : null}
        {withdrawn ? null : (
          <button type="button" className="button button-plain small" onClick={takeBack}>
            {words.delivery.takeBack}
          </button>
        )}
      </span>
    </div>
  );
}

function Edit({ text, save, cancel }: { text: string; save: (text: string) => void; cancel: () => void }) {
  const [changed, setChanged] = useState(text);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(text.length, text.length);
  }, [text]);
  const long = tooLong(changed);
  const ready = changed.trim() !== "" && !long;
  return (
    <form
      className="message-edit"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) save(changed);
      }}
    >
      <textarea
        ref={area}
        className="input"
        rows={Math.min(12, changed.split("\n").length + 1)}
        aria-label={words.delivery.editLabel}
        value={changed}
        onChange={(event) => setChanged(event.target.value)}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing || event.keyCode === 229) return;
          if (event.key === "Escape") cancel();
          else if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && ready) save(changed);
        }}
      />
      {long ? (
        <p className="composer-long small" role="alert">
          {words.composer.tooLong}
        </p>
      ) : null}
      <div className="message-actions">
        <button type="submit" className="button button-primary small" disabled={!ready}>
          {words.delivery.save}
        </button>
        <button type="button" className="button button-plain small" onClick={cancel}>
          {words.cancel}
        </button>
      </div>
    </form>
  );
}
