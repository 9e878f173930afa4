import { useState } from "react";
import { useHub } from "../../app/context";
import { edits } from "../../session/edits";
import { words } from "../../words";
import { EditWords } from "./EditWords";

interface Props {
  session: string;
  host: string;
  /** The messages that wait still, by their commands and turns. */
  waiting: ReadonlySet<string>;
}

/** What was being typed into messages that have stopped waiting before it was saved: still there to go on with, as a message of its own. */
export function LateEdits({ session, host, waiting }: Props) {
  const hub = useHub();
  const [, redraw] = useState(0);
  const done = (message: string): void => {
    edits.set(hub.kept, session, message, null);
    redraw((times) => times + 1);
  };
  return edits
    .of(hub.kept, session)
    .filter(([message]) => !waiting.has(message))
    .map(([message, text]) => (
      <div key={message} className="message" data-late-edit>
        <EditWords
          text={text}
          typed={(changed) => edits.set(hub.kept, session, message, changed)}
          takesFocus={false}
          yes={words.delivery.lateSend}
          no={words.dismiss}
          save={(changed) => {
            hub.post(host, { kind: "send_prompt", session, content: { text: changed, attachments: [] } });
            done(message);
          }}
          cancel={() => done(message)}
        >
          <p className="small">{words.delivery.lateEdit}</p>
        </EditWords>
      </div>
    ));
}
