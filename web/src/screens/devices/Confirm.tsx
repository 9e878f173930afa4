import { useEffect, useId, useRef, useState } from "react";
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
  return (
    <>
      <button type="button" className="button button-plain button-bad small" aria-haspopup="dialog" aria-label={label} onClick={() => setOpen(true)}>
        {button}
      </button>
      {open ? <Sheet title={title} texts={texts} yes={yes} act={act} close={() => setOpen(false)} /> : null}
    </>
  );
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
    act().then(close, (error: unknown) => {
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
