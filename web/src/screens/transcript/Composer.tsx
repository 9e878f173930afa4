import { type FormEvent, type KeyboardEvent, useLayoutEffect, useRef } from "react";
import { useHub } from "../../app/context";
import { useKeys } from "../../app/keys";
import { useStore } from "../../hub/store";
import { Icon } from "../../parts/Icon";
import { words } from "../../words";
import { AttachButton, Tray, useFiles } from "../../parts/Attach";
import type { SlashCommand } from "../../protocol/generated";
import type { Seat } from "../../session/participants";
import type { Stop } from "../../session/stop";
import { useSlash } from "./Slash";
import { tooLong } from "./length";

interface Props {
  /** What the reader is in this chat: a participant sends no files, and may have to ask. */
  seat: Seat;
  session: string;
  host: string;
  /** The running turn, which can be stopped. */
  running: string | null;
  /** What the agent takes after a slash, here. */
  commands: readonly SlashCommand[];
  /** How its stop stands, and what asks for it. */
  stop: Stop;
  halt(): void;
  sent(): void;
}

/** Where a message is written. Enter sends where there is a keyboard; on a phone it makes a new line. */
export function Composer({ seat, session, host, running, stop, halt, commands, sent }: Props) {
  const hub = useHub();
  const text = useStore(hub.drafts.of(session));
  const setText = (written: string): void => hub.drafts.set(session, written);
  const area = useRef<HTMLTextAreaElement>(null);
  const long = tooLong(text);
  const attach = useFiles(session);
  const files = seat.role === "owner";
  const ready = (text.trim() !== "" || (files && attach.list.length > 0)) && !long && !(files && attach.unfinished);

  useLayoutEffect(() => {
    const box = area.current;
    if (!box) return;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight + 2}px`;
  }, [text]);

  const send = (event?: FormEvent): void => {
    event?.preventDefault();
    if (!ready) return;
    hub.post(host, { kind: "send_prompt", session, content: { text: text.trim() === "" ? "" : text, attachments: files ? attach.files.attachments() : [] } });
    if (files) attach.files.clear();
    setText("");
    sent();
  };
  const slash = useSlash(text, commands, (written) => {
    setText(written);
    area.current?.focus();
  });
  const press = (event: KeyboardEvent): void => {
    if (slash.press(event)) return;
    // While an input method composes, Enter chooses a word (229 is what Safari reports then).
    if (event.key !== "Enter" || event.nativeEvent.isComposing || event.keyCode === 229) return;
    const keyboard = matchMedia("(hover: hover) and (pointer: fine)").matches;
    if (event.metaKey || event.ctrlKey || (keyboard && !event.shiftKey && !event.altKey)) {
      event.preventDefault();
      send();
    }
  };
  useKeys({ ".": halt });
  const stopped = stop.state === "going";
  return (
    <form className="composer" onSubmit={send} onDrop={files ? attach.onDrop : undefined} onDragOver={files ? attach.onDragOver : undefined}>
      {long ? (
        <p className="composer-long small" role="alert">
          {words.composer.tooLong}
        </p>
      ) : null}
      {stop.state === "failed" ? (
        <p className="composer-long small" role="alert">
          {words.composer.stopFailed(stop.error, words.error)}
        </p>
      ) : null}
      {files ? <Tray files={attach.files} list={attach.list} /> : attach.list.length > 0 ? <p className="composer-long small">{words.sharing.noFiles}</p> : null}
      {slash.list}
      <div className="composer-box">
        {files ? <AttachButton files={attach.files} className="composer-button" /> : null}
        <textarea
          ref={area}
          rows={1}
          value={text}
          aria-label={words.composer.label}
          placeholder={seat.role === "editor" ? words.sharing.placeholder(seat.owner) : running === null ? words.composer.placeholder : words.composer.placeholderQueued}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={press}
          {...slash.box}
          onPaste={files ? attach.onPaste : undefined}
          enterKeyHint="enter"
        />
        {running !== null ? (
          <button type="button" className="composer-button composer-stop" aria-label={stopped ? words.composer.stopping : words.composer.stop} title={words.composer.stop} aria-disabled={stopped} onClick={halt}>
            <span className={stopped ? "stop-square breathing" : "stop-square"} aria-hidden="true" />
          </button>
        ) : null}
        <button type="submit" className="composer-button composer-send" aria-label={words.composer.send} title={words.composer.send} disabled={!ready}>
          <Icon name="send" />
        </button>
      </div>
    </form>
  );
}
