import { useMemo, useRef, useState } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import { useKeys } from "../../app/keys";
import { go } from "../../app/router";
import { useStore } from "../../hub/store";
import { Icon } from "../../parts/Icon";
import { Link } from "../../parts/Link";
import { Mark } from "../../parts/Mark";
import { Sign } from "../../parts/Sign";
import { Written } from "../../parts/Written";
import { words } from "../../words";
import { ago } from "../../words/time";
import { Claims } from "./Claims";
import { Hosts } from "./Hosts";
import { type Need, type Row, listed } from "./order";
import "./sessions.css";

/** From how many chats on a search field is worth its place. */
const SEARCH_FROM = 6;

/** The list of chats: what needs you first; the page's main part while it stands alone. */
export function Sessions({ current, alone }: { current: string | null; alone: boolean }) {
  const Frame = alone ? "main" : "section";
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  const now = useNow();
  const [sought, setSought] = useState("");
  const search = useRef<HTMLInputElement>(null);
  const all = useMemo(() => listed(rows, sent), [rows, sent]);
  const needle = sought.trim().toLocaleLowerCase();
  const shown = needle === "" ? all : all.filter((row) => row.title.toLocaleLowerCase().includes(needle));
  const move = (by: number): void => {
    const at = shown.findIndex((row) => row.id === current);
    const next = shown[at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by))];
    if (next) go({ screen: "session", session: next.id });
  };
  useKeys({ "/": () => search.current?.focus(), j: () => move(1), k: () => move(-1), n: () => go({ screen: "new", project: null }) });

  return (
    <Frame className="sessions" aria-label={words.sessions.title}>
      <header className="sessions-head">
        <h1 className="sessions-name">{words.appName}</h1>
        <Sign flowing={all.some((row) => row.need === "working")} />
      </header>
      <div className="sessions-list">
        <Claims />
        {all.length >= SEARCH_FROM ? (
          <label className="sessions-search">
            <Icon name="search" />
            <span className="unseen">{words.sessions.search}</span>
            <input ref={search} type="search" placeholder={words.sessions.search} value={sought} onChange={(event) => setSought(event.target.value)} />
          </label>
        ) : null}
        {!rows.ready ? <p className="sessions-note soft" role="status">{words.sessions.loading}</p> : null}
        {rows.ready && all.length === 0 ? <Written title={words.sessions.emptyTitle} text={words.sessions.empty} /> : null}
        {needle !== "" && shown.length === 0 ? <p className="sessions-note soft">{words.sessions.noneFound(sought.trim())}</p> : null}
        {groups(shown, (host) => rows.host.get(host)?.content.name ?? "").map((group) => (
          <section key={group.title} className="sessions-group">
            <h2 className={`sessions-group-title sessions-group-${group.need}`}>{group.title}</h2>
            <ul>
              {group.rows.map((row) => (
                <li key={row.id}>
                  <Line row={row} current={row.id === current} now={now} />
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
      <footer className="sessions-foot">
        <Hosts now={now} />
        <Link to={{ screen: "new", project: null }} className="button button-primary button-wide">
          <Icon name="plus" />
          {rows.host.size === 1 ? words.sessions.newChatOn([...rows.host.values()][0]?.content.name ?? "") : words.sessions.newChat}
        </Link>
      </footer>
    </Frame>
  );
}

function Line({ row, current, now }: { row: Row; current: boolean; now: number }) {
  const shape = row.dead ? "dead" : row.need === "rest" ? "idle" : row.need;
  const word = row.dead ? words.sessions.states.dead : words.sessions.states[row.need === "rest" ? "idle" : row.need];
  return (
    <Link to={{ screen: "session", session: row.id }} className={`session session-${row.need}`} current={current}>
      <Mark shape={shape} word={word} />
      <span className="session-title">{row.title}</span>
      <span className="session-time">{ago(row.atMs, now)}</span>
      <span className="session-doing">{row.doing}</span>
    </Link>
  );
}

interface Group {
  need: Need;
  title: string;
  rows: Row[];
}

function groups(rows: readonly Row[], hostName: (host: string) => string): Group[] {
  const found = new Map<string, Group>();
  for (const row of rows) {
    const title = titleOf(row, hostName);
    const group = found.get(title) ?? { need: row.need, title, rows: [] };
    group.rows.push(row);
    found.set(title, group);
  }
  return [...found.values()];
}

function titleOf(row: Row, hostName: (host: string) => string): string {
  switch (row.need) {
    case "needs":
      return words.sessions.needsYou;
    case "working":
      return words.sessions.working;
    case "waiting":
      return hostName(row.host) === "" ? words.sessions.waiting : words.sessions.waitingFor(hostName(row.host));
    case "rest":
      return words.sessions.earlier;
  }
}
