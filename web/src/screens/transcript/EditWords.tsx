import { type ReactNode, useEffect, useRef, useState } from "react";
import { words } from "../../words";
import { tooLong } from "./length";

interface Props {
  /** The words of the message as it is. */
  text: string;
  /** What has been typed into it before. */
  begun?: string | null;
  /** Keeps what is typed with every letter; without it nothing but the page has it. */
  typed?: (text: string) => void;
  /** Whether it takes the focus from whatever has it. */
  takesFocus?: boolean;
  yes?: string;
  no?: string;
  /** What is to be known above the words. */
  children?: ReactNode;
  save: (text: string) => void;
  cancel: () => void;
}

/** A message that waits, opened to be changed. */
export function EditWords({ text, begun = null, typed, takesFocus = true, yes = words.delivery.save, no = words.cancel, children, save, cancel }: Props) {
  const [changed, setChanged] = useState(begun ?? text);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // What had the focus may have gone with the form that this one takes the place of.
    if (!takesFocus && document.activeElement !== document.body) return;
    area.current?.focus();
    area.current?.setSelectionRange(area.current.value.length, area.current.value.length);
  }, []);
  const long = tooLong(changed);
  const ready = changed.trim() !== "" && !long;
  return (
    <form
      className="message-edit"
      data-unkept={!typed && changed !== text ? "" : undefined}
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) save(changed);
      }}
    >
      {children}
      <textarea
        ref={area}
        className="input"
        rows={Math.min(12, changed.split("\n").length + 1)}
        aria-label={words.delivery.editLabel}
        value={changed}
        onChange={(event) => {
          setChanged(event.target.value);
          typed?.(event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing || event.keyCode === 229) return;
          if (event.key === "Escape") {
            event.preventDefault();
            cancel();
          } else if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && ready) save(changed);
        }}
      />
      {long ? (
        <p className="composer-long small" role="alert">
          {words.composer.tooLong}
        </p>
      ) : null}
      <div className="message-actions">
        <button type="submit" className="button button-primary small" disabled={!ready}>
          {yes}
        </button>
        <button type="button" className="button button-plain small" onClick={cancel}>
          {no}
        </button>
      </div>
    </form>
  );
}
