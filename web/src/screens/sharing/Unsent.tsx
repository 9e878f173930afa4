import { useState } from "react";
import { useHub } from "../../app/context";
import type { Hub } from "../../hub/hub";
import { useStore } from "../../hub/store";
import { copyText } from "../../parts/clipboard";
import { edits } from "../../session/edits";
import { words } from "../../words";

/** What was written in a chat on this device and cannot be sent there: whole, to be copied, until its person throws it away. */
export function Unsent({ session, why, sends = false }: { session: string; why: string; sends?: boolean }) {
  const hub = useHub();
  const draft = useStore(hub.drafts.of(session));
  const sent = useStore(hub.sent);
  const [copied, setCopied] = useState(false);
  const [, redraw] = useState(0);
  const waiting = sends ? ofChat(hub, session) : [];
  const texts = [draft, ...edits.of(hub.kept, session).map(([, text]) => text), ...waiting.map(([, text]) => text)].filter((text) => text.trim() !== "");
  if (texts.length === 0) return null;
  const throwAway = (): void => {
    hub.drafts.set(session, "");
    for (const [message] of edits.of(hub.kept, session)) edits.set(hub.kept, session, message, null);
    for (const [command] of sends ? ofChat(hub, session) : []) if (sent.has(command)) hub.forget(command);
    redraw((times) => times + 1);
  };
  return (
    <section className="unsent">
      <p className="small">{why}</p>
      {texts.map((text, at) => (
        // the same may have been written twice
        <blockquote key={at} className="unsent-text" tabIndex={0}>
          {text}
        </blockquote>
      ))}
      <div className="message-actions">
        <button type="button" className="button small" onClick={() => void copyText(texts.join("\n\n")).then(setCopied)}>
          {copied ? words.copied : words.sharing.copyText}
        </button>
        <button type="button" className="button button-plain small" onClick={throwAway}>
          {words.sharing.throwAway}
        </button>
      </div>
    </section>
  );
}

/** The messages of this device to a chat that the hub has not taken. */
function ofChat(hub: Hub, session: string): [string, string][] {
  return [...hub.sent.get()].flatMap(([command, { request: { body }, phase }]): [string, string][] =>
    body.kind === "send_prompt" && body.session === session && phase !== "acked" ? [[command, body.content.text ?? ""]] : [],
  );
}
