import { useEffect, useState } from "react";
import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import type { AuditEntry } from "../../protocol/generated";
import { words } from "../../words";
import { clock } from "../../words/time";

/** What was done from which device, newest first. */
export function Audit({ now }: { now: number }) {
  const hub = useHub();
  const rows = useRows();
  const me = useStore(hub.me);
  const [entries, setEntries] = useState<AuditEntry[]>([]);
  const [before, setBefore] = useState<string | null>(null);
  const [state, setState] = useState<"loading" | "open" | "failed">("loading");
  const load = (from: string | null): void => {
    setState("loading");
    hub.api.audit(from).then(
      (page) => {
        setEntries((known) => (from === null ? page.entries : [...known, ...page.entries]));
        setBefore(page.before);
        setState("open");
      },
      () => setState("failed"),
    );
  };
  // What happens while the page is open is seen when it is opened again: a trail is read, not watched.
  useEffect(() => load(null), [hub]);
  const by = (entry: AuditEntry): string => {
    if (entry.device === null) return words.audit.nobody;
    // Who takes part in a chat has a name here, and their devices have none.
    const part = entry.account === me?.account ? undefined : [...rows.participant.values(), ...rows.former.values()].find((each) => each.account === entry.account);
    if (part) return part.content.name || words.sharing.unnamed;
    return entry.device === me?.device ? words.devices.thisOne : (rows.device.get(entry.device)?.content.name ?? rows.host.get(entry.device)?.content.name ?? words.transcript.unknownDevice);
  };
  return (
    <section className="house-part" aria-labelledby="audit">
      <h2 id="audit">{words.audit.title}</h2>
      {state === "open" && entries.length === 0 ? <p className="soft">{words.audit.empty}</p> : null}
      <ul className="house-list">
        {entries.map((entry) => (
          <li key={entry.id} className="house-row audit">
            <span className="house-what">
              <span>
                {words.audit.action(entry.action)}
                {entry.outcome === "ok" ? null : <span className="house-bad"> · {words.audit.refused(entry.outcome)}</span>}
              </span>
              <span className="small soft">{[by(entry), entry.source ?? "", about(entry, rows.session), entry.content?.because?.replaceAll("`", "") ?? "", entry.content?.shown ? `#${entry.content.shown.slice(0, 8)}` : ""].filter((part) => part !== "").join(" · ")}</span>
            </span>
            <time className="small soft">{clock(entry.atMs, now)}</time>
          </li>
        ))}
      </ul>
      {state === "failed" ? <p className="soft">{words.audit.failed}</p> : null}
      {state === "failed" || before !== null ? (
        <button type="button" className="button button-wide" onClick={() => load(state === "failed" && entries.length === 0 ? null : before)}>
          {state === "failed" ? words.retry : words.audit.more}
        </button>
      ) : null}
    </section>
  );
}

/** The chat that it was about, by its name. */
function about(entry: AuditEntry, sessions: ReadonlyMap<string, { content: { title: string } }>): string {
  return sessions.get(entry.target ?? "")?.content.title ?? "";
}
