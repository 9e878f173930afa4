import { useEffect, useRef, useState } from "react";
import { useHub } from "../../app/context";
import type { Session } from "../../protocol/generated";
import { OWNER } from "../../session/participants";
import { words } from "../../words";
import { useSeat } from "../sharing/useSeat";

export type Format = "markdown" | "json";

/** Fetches the whole chat, makes a document of it here, and saves that: the hub reads no content, so it could not. */
export function Exporting({ id, session, format }: { id: string; session: Session; format: Format }) {
  const hub = useHub();
  const [share, setShare] = useState(0);
  const [said, setSaid] = useState<"" | "failed" | { file: string }>("");
  const [round, setRound] = useState(0);
  const latest = useRef(session);
  latest.current = session;
  const seat = useRef(OWNER);
  seat.current = useSeat(id);
  useEffect(() => {
    const stop = new AbortController();
    setSaid("");
    const make = async (): Promise<void> => {
      const [{ whole }, { json, markdown }] = await Promise.all([import("../../session/whole"), import("../../session/export")]);
      const transcript = await whole(hub.api, id, setShare, stop.signal);
      const rows = hub.rows.get();
      const project = rows.project.get(latest.current.project)?.content;
      const { title } = latest.current.content;
      const head = {
        session: id,
        title,
        project: project?.name ?? null,
        path: project?.path ?? null,
        host: rows.host.get(latest.current.host)?.content.name ?? (seat.current.host || null),
        agent: latest.current.agent,
        createdAtMs: latest.current.createdAtMs,
        exportedAtMs: Math.round(hub.now()),
      };
      const file = `${fileName(title)}.${format === "json" ? "json" : "md"}`;
      save(file, format === "json" ? json(head, transcript) : markdown(head, transcript), format === "json" ? "application/json" : "text/markdown");
      setSaid({ file });
    };
    make().catch(() => {
      if (!stop.signal.aborted) setSaid("failed");
    });
    return () => stop.abort();
  }, [hub, id, format, round]);
  return (
    <>
      <p role="status">{said === "" ? words.actions.exporting : said === "failed" ? words.actions.exportFailed : words.actions.exported(said.file)}</p>
      {said === "" ? <progress className="sheet-bar" aria-label={words.actions.exporting} max={1} value={share} /> : null}
      {said === "failed" ? (
        <button type="button" className="button button-wide" onClick={() => setRound(round + 1)}>
          {words.retry}
        </button>
      ) : null}
    </>
  );
}

/** A title as the name of a file: what systems forbid becomes a hyphen. */
function fileName(title: string): string {
  const name = title
    .replace(/[\p{Cc}\p{Cf}<>:"/\\|?*.\s]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60);
  return name === "" ? "chat" : name;
}

function save(name: string, text: string, type: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser needs it until it has begun to write the file.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
