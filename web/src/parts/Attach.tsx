import { type ClipboardEvent, type DragEvent, useEffect, useRef, useState } from "react";
import { useHub } from "../app/context";
import { useStore } from "../hub/store";
import { IMAGES } from "../session/files/check";
import type { Attached, Files } from "../session/files/files";
import { words } from "../words";
import { Icon } from "./Icon";
import { Mark } from "./Mark";
import "./attach.css";

const ACCEPT = [...IMAGES, "text/*", "application/json", ".md", ".log", ".toml", ".yaml", ".yml", ".rs", ".ts", ".tsx", ".py", ".go", ".patch", ".diff"].join(",");

/** The files of a draft, and ways to add some. */
export function useFiles(draft: string): { files: Files; list: readonly Attached[]; unfinished: boolean; onPaste(event: ClipboardEvent): void; onDrop(event: DragEvent): void; onDragOver(event: DragEvent): void } {
  const hub = useHub();
  const files = hub.files.of(draft);
  const list = useStore(files.list);
  const take = (event: ClipboardEvent | DragEvent, found: FileList | undefined): void => {
    if (!found || found.length === 0) return;
    event.preventDefault();
    void files.add([...found]);
  };
  return {
    files,
    list,
    unfinished: list.some((file) => file.phase !== "done"),
    onPaste: (event) => take(event, event.clipboardData.files),
    onDrop: (event) => take(event, event.dataTransfer.files),
    onDragOver: (event) => {
      if (event.dataTransfer.types.includes("Files")) event.preventDefault();
    },
  };
}

/** Attaches files: from the device, and from its camera where it is held in a hand. */
export function AttachButton({ files, className }: { files: Files; className: string }) {
  const [hand] = useState(() => matchMedia("(pointer: coarse)").matches);
  return (
    <>
      <Pick files={files} className={className} label={words.attach.file} icon="clip" accept={ACCEPT} />
      {hand ? <Pick files={files} className={className} label={words.attach.camera} icon="camera" accept="image/*" camera /> : null}
    </>
  );
}

function Pick({ files, className, label, icon, accept, camera = false }: { files: Files; className: string; label: string; icon: "clip" | "camera"; accept: string; camera?: boolean }) {
  return (
    <label className={`${className} attach-pick`} title={label}>
      <input
        className="attach-input"
        type="file"
        aria-label={label}
        accept={accept}
        multiple={!camera}
        capture={camera ? "environment" : undefined}
        onChange={(event) => {
          void files.add([...(event.target.files ?? [])]);
          // The same file may be chosen again.
          event.target.value = "";
        }}
      />
      <Icon name={icon} />
    </label>
  );
}

/** What is attached and not sent yet, with how far it is and a way to take it away. */
export function Tray({ files, list }: { files: Files; list: readonly Attached[] }) {
  const waiting = list.some((file) => file.phase === "sending" || file.phase === "waiting");
  const tray = useRef<HTMLDivElement>(null);
  const count = list.length;
  // What was attached is seen to be, also where the box is longer than the screen.
  useEffect(() => {
    if (count > 0) tray.current?.scrollIntoView({ block: "nearest" });
  }, [count]);
  if (count === 0) return null;
  return (
    <div className="tray" ref={tray}>
      <ul aria-label={words.attach.list}>
        {list.map((file) => (
          <li key={file.id} className="tray-file" data-phase={file.phase}>
            {file.preview === null ? <Icon name="file" /> : <img src={file.preview} alt="" />}
            <div className="tray-words">
              <span className="tray-name">{file.name}</span>
              <Progress file={file} />
            </div>
            <button type="button" className="tray-remove" aria-label={words.attach.remove(file.name)} onClick={() => files.remove(file.id)}>
              <Icon name="cross" />
            </button>
          </li>
        ))}
      </ul>
      <p className="small soft" role="status">
        {waiting ? words.attach.waits : ""}
      </p>
    </div>
  );
}

function Progress({ file }: { file: Attached }) {
  if (file.phase === "failed") {
    return (
      <span className="tray-why small" role="alert">
        <Mark shape="failed" /> {words.attach.why(file.why)}
      </span>
    );
  }
  const share = Math.floor((file.receivedBytes / Math.max(1, file.sizeBytes)) * 100);
  if (file.phase === "done") return <span className="small soft">{words.size(file.sizeBytes)}</span>;
  return (
    <span className="small soft tray-progress">
      <progress max={100} value={share} aria-label={words.attach.progress(file.name)} />
      {file.phase === "waiting" ? words.attach.noNetwork : `${share} %`}
    </span>
  );
}

