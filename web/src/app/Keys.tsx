import { useEffect, useRef } from "react";
import { words } from "../words";

/** Every key, and what it does. */
export function Keys({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="keys" onClose={close} aria-label={words.keys.title}>
      <h2 className="page-title">{words.keys.title}</h2>
      <dl>
        {words.keys.rows.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p className="small soft">{words.keys.off}</p>
      <form method="dialog">
        <button type="submit" className="button button-wide">
          {words.close}
        </button>
      </form>
    </dialog>
  );
}
