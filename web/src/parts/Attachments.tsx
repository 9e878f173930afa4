import { createContext, useContext, useEffect, useRef, useState } from "react";
import type { Attachment } from "../protocol/generated";
import { words } from "../words";
import { Icon } from "./Icon";
import "./attach.css";

/** The chat of somebody else whose files are shown: of those the hub wants to know where they are from. Null in one's own. */
export const FilesOf = createContext<string | null>(null);

function useAddress(): (blob: string) => string {
  const session = useContext(FilesOf);
  return (blob) => `/v1/blobs/${blob}${session === null ? "" : `?session=${encodeURIComponent(session)}`}`;
}

/** The files of a prompt: images are seen, and seen whole when touched; other files are named. */
export function Attachments({ list }: { list: readonly Attachment[] }) {
  const address = useAddress();
  const [whole, setWhole] = useState<Attachment | null>(null);
  if (list.length === 0) return null;
  return (
    <>
      <ul className="attachments" aria-label={words.attach.list}>
        {list.map((file, at) => (
          // the same file may be attached twice
          <li key={at}>
            {file.mediaType.startsWith("image/") ? (
              <button type="button" className="attachment-image" aria-label={words.attach.open(file.name)} onClick={() => setWhole(file)}>
                <Picture file={file} />
              </button>
            ) : (
              <a className="attachment-file" href={address(file.blob)} target="_blank" rel="noopener">
                <Icon name="file" />
                <span className="attachment-name">{file.name}</span>
                <span className="small soft">{words.size(file.sizeBytes)}</span>
              </a>
            )}
          </li>
        ))}
      </ul>
      {whole === null ? null : <Whole file={whole} close={() => setWhole(null)} />}
    </>
  );
}

function Picture({ file }: { file: Attachment }) {
  const address = useAddress();
  const [gone, setGone] = useState(false);
  if (gone) return <span className="attachment-gone small">{words.attach.gone(file.name)}</span>;
  return <img src={address(file.blob)} alt="" loading="lazy" decoding="async" onError={() => setGone(true)} />;
}

function Whole({ file, close }: { file: Attachment; close: () => void }) {
  const address = useAddress();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="whole" aria-label={file.name} onClose={close} onClick={(event) => (event.target === event.currentTarget ? event.currentTarget.close() : undefined)}>
      <header className="whole-head">
        <span className="attachment-name">{file.name}</span>
        <span className="small soft">{words.size(file.sizeBytes)}</span>
        <form method="dialog">
          <button type="submit" className="button button-plain button-square" aria-label={words.close}>
            <Icon name="cross" />
          </button>
        </form>
      </header>
      <img src={address(file.blob)} alt={file.name} />
    </dialog>
  );
}
