import { useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { ApiError } from "../../hub/api";
import { words } from "../../words";

interface Props {
  button: string;
  /** What the button is called where several look alike. */
  label?: string;
  title: string;
  texts: string[];
  yes: string;
  act: () => Promise<void>;
}

/** A button for what cannot be undone: it says first what will happen. */
export function Confirm({ button, label, title, texts, yes, act }: Props) {
  const [open, setOpen] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  // What was removed takes its button along: who was at it goes on at the head of its part.
  useLayoutEffect(() => {
    const button = opener.current;
    return () => {
      const dialog = button?.nextElementSibling;
      if (dialog instanceof HTMLDialogElement && dialog.open) dialog.close();
      if (document.activeElement === button) headOf(button)?.focus();
    };
  }, []);
  return (
    <>
      <button ref={opener} type="button" className="button button-plain button-bad small" aria-haspopup="dialog" aria-label={label} onClick={() => setOpen(true)}>
        {button}
      </button>
      {open ? <Sheet title={title} texts={texts} yes={yes} act={act} close={() => setOpen(false)} /> : null}
    </>
  );
}

/** The heading of the part that an element is in, made to take the focus. */
function headOf(element: HTMLElement | null): HTMLElement | null {
  const head = element?.closest("section, main")?.querySelector<HTMLElement>("h1, h2") ?? null;
  if (head) head.tabIndex = -1;
  return head;
}

function Sheet({ title, texts, yes, act, close }: Omit<Props, "button" | "label"> & { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    const box = dialog.current;
    box?.showModal();
    return () => box?.close();
  }, []);
  const go = (): void => {
    setBusy(true);
    setFailed("");
    // Closed before it is taken away: only so the browser gives the focus back to where it was.
    act().then(() => dialog.current?.close(), (error: unknown) => {
      setBusy(false);
      setFailed(error instanceof ApiError ? words.actions.failedBecause(words.error(error.problem.code)) : words.actions.failed);
    });
  };
  return (
    <dialog ref={dialog} className="sheet" aria-labelledby={heading} onClose={close}>
      <div className="sheet-body">
        <h2 id={heading} className="sheet-title">
          {title}
        </h2>
        {texts.map((text) => (
          <p key={text}>{text}</p>
        ))}
        {failed === "" ? null : (
          <p className="sheet-failed small" role="alert">
            {failed}
          </p>
        )}
        <button type="button" className="button button-wide button-bad" disabled={busy} onClick={go}>
          {yes}
        </button>
        <button type="button" className="button button-wide" onClick={() => dialog.current?.close()}>
          {words.cancel}
        </button>
      </div>
    </dialog>
  );
}
