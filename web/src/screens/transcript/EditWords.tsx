import { useEffect, useRef, useState } from "react";
import { words } from "../../words";
import { tooLong } from "./length";

/** A message that waits, opened to be changed. */
export function EditWords({ text, save, cancel }: { text: string; save: (text: string) => void; cancel: () => void }) {
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
