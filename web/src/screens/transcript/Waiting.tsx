import { useHub, useRows } from "../../app/context";
import { words } from "../../words";

interface Props {
  session: string;
  command: string;
  /** The turn that can be stopped before it starts; null while there is only a command. */
  turn: string | null;
  place: number | null;
}

/** Under a message that waits: its place in the line, and the way back. */
export function Waiting({ session, command, turn, place }: Props) {
  const hub = useHub();
  const rows = useRows();
  const takeBack = (): void => {
    const host = rows.session.get(session)?.host ?? rows.command.get(command)?.host;
    if (turn !== null && host !== undefined) hub.post(host, { kind: "cancel_turn", session, turn });
    else void hub.socket.cancelCommand(command);
  };
  return (
    <div className="message-actions message-waiting">
      <span className="small soft">{place === null ? "" : words.transcript.queuedPlace(place)}</span>
      <button type="button" className="button button-plain small" onClick={takeBack}>
        {words.delivery.takeBack}
      </button>
    </div>
  );
}
