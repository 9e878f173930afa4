import { useEffect, useMemo, useRef, useState } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import { useKeys } from "../../app/keys";
import { go } from "../../app/router";
import { useStore } from "../../hub/store";
import { Icon } from "../../parts/Icon";
import { Link } from "../../parts/Link";
import { Sign } from "../../parts/Sign";
import { names } from "../../machines/standing";
import { LAST_MACHINE, likeliest } from "../../machines/target";
import { Written } from "../../parts/Written";
import { words } from "../../words";
import { NoMachine } from "../machines/NoMachine";
import { Claims } from "./Claims";
import { Hosts } from "./Hosts";
import { SessionRow } from "./SessionRow";
import { type Need, type Row, filtered, listed } from "./order";
import "./sessions.css";

/** From how many chats on a search field is worth its place; `/` brings it before. */
const SEARCH_FROM = 6;

/** The list of chats: what needs you first; the page's main part while it stands alone. */
export function Sessions({ current, alone }: { current: string | null; alone: boolean }) {
  const Frame = alone ? "main" : "section";
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  const here = useStore(hub.reading.here);
  const me = useStore(hub.me);
  const now = useNow();
  const next = likeliest(rows, [hub.kept.get(LAST_MACHINE)], me?.host ?? null);
  const [searching, setSearching] = useState(false);
  const [text, setText] = useState("");
  const [chosen, setProject] = useState("");
  const all = useMemo(() => listed(rows, sent, here, me?.host, me?.account ?? null), [rows, sent, here, me]);
  const called = useMemo(() => names(rows.host), [rows.host]);
  const project = rows.project.has(chosen) ? chosen : "";
  const shown = useMemo(() => filtered(all, { text, project }), [all, text, project]);
  const present = all.filter((row) => !row.archived).length;
  const sought = text.trim();
  const move = (by: number): void => {
    const at = shown.findIndex((row) => row.id === current);
    const next = shown[at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by))];
    if (next) go({ screen: "session", session: next.id });
  };
  const clear = (): void => {
    setText("");
    setProject("");
    setSearching(false);
  };
  useKeys({
    "/": () => {
      // On a phone-wide window the list is behind the chat.
      if (!alone && !matchMedia("(min-width: 900px)").matches) go({ screen: "sessions" });
      setSearching(true);
    },
    j: () => move(1),
    k: () => move(-1),
  });

  return (
    <Frame className="sessions" aria-label={words.sessions.title}>
      <header className="sessions-head">
        <h1 className="sessions-name">{words.appName}</h1>
        <Sign flowing={all.some((row) => row.need === "working")} quiet={current !== null} />
      </header>
      <div className="sessions-list">
        <Claims />
        {searching || sought !== "" || project !== "" || present >= SEARCH_FROM ? (
          <Search text={text} setText={setText} project={project} setProject={setProject} asked={searching} done={() => setSearching(false)} clear={clear} found={shown.length} />
        ) : null}
        {!rows.ready ? <p className="sessions-note soft" role="status">{words.sessions.loading}</p> : null}
        {rows.ready && present === 0 && sought === "" ? rows.host.size === 0 ? <NoMachine /> : <Written title={words.sessions.emptyTitle} text={words.sessions.empty} /> : null}
        {(sought !== "" || project !== "") && shown.length === 0 ? (
          <div className="sessions-note soft">
            <p>{sought === "" ? words.sessions.noneHere : words.sessions.noneFound(sought)}</p>
            <button type="button" className="button small" onClick={clear}>
              {words.sessions.clearSearch}
            </button>
          </div>
        ) : null}
        {groups(shown, (host) => called.get(host) ?? "").map((group) => (
          <section key={group.title} className="sessions-group">
            <h2 className={`sessions-group-title sessions-group-${group.need}`}>{group.title}</h2>
            <ul>
              {group.rows.map((row) => (
                <SessionRow key={row.id} row={row} current={row.id === current} now={now} />
              ))}
            </ul>
          </section>
        ))}
        {present < all.length && sought === "" ? (
          <Link to={{ screen: "archived" }} className="sessions-archived small soft">
            {words.archive.link(all.length - present)}
          </Link>
        ) : null}
      </div>
      <footer className="sessions-foot">
        <div className="sessions-house">
          <Hosts now={now} />
          <Link to={{ screen: "devices" }} className="sessions-devices small soft">
            {words.devices.link}
          </Link>
        </div>
        <Link to={{ screen: "new", project: null }} className="button button-primary button-wide">
          <Icon name="plus" />
          {next === "" ? words.sessions.newChat : words.sessions.newChatOn(called.get(next) ?? "")}
        </Link>
      </footer>
    </Frame>
  );
}

interface SearchProps {
  text: string;
  setText: (text: string) => void;
  project: string;
  setProject: (project: string) => void;
  /** Whether it was just asked for by its key. */
  asked: boolean;
  done: () => void;
  clear: () => void;
  found: number;
}

function Search({ text, setText, project, setProject, asked, done, clear, found }: SearchProps) {
  const { project: projects, host: hosts } = useRows();
  const [called, several] = [names(hosts), hosts.size > 1];
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (asked) field.current?.focus();
  }, [asked]);
  return (
    <search
      className="sessions-seek"
      onBlur={({ currentTarget: box }) => {
        // From the text to the list of projects is not away from it; where it goes is known a moment later on some phones.
        setTimeout(() => (box.contains(document.activeElement) ? undefined : done()), 0);
      }}
    >
      <label className="sessions-search">
        <Icon name="search" />
        <span className="unseen">{words.sessions.search}</span>
        <input
          ref={field}
          type="search"
          placeholder={words.sessions.search}
          value={text}
          enterKeyHint="search"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Escape" || event.nativeEvent.isComposing) return;
            clear();
            event.currentTarget.blur();
          }}
        />
      </label>
      {projects.size > 1 ? (
        <label className="sessions-filter small">
          <span className="unseen">{words.sessions.filter}</span>
          <select value={project} onChange={(event) => setProject(event.target.value)}>
            <option value="">{words.sessions.allProjects}</option>
            {[...projects].map(([id, each]) => (
              <option key={id} value={id}>
                {several ? `${each.content.name} · ${called.get(each.host) ?? ""}` : each.content.name}
              </option>
            ))}
          </select>
        </label>
      ) : null}
      <span className="unseen" role="status">
        {text.trim() === "" ? "" : words.sessions.found(found)}
      </span>
    </search>
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
    // The neediest row comes first, so that the heading of those elsewhere says it too.
    const group = found.get(title) ?? { need: row.archived ? "rest" : row.need, title, rows: [] };
    group.rows.push(row);
    found.set(title, group);
  }
  return [...found.values()];
}

function titleOf(row: Row, hostName: (host: string) => string): string {
  if (row.archived) return words.archive.title;
  if (row.elsewhere) return words.elsewhere.title;
  switch (row.need) {
    case "needs":
      return words.sessions.needsYou;
    case "working":
      return words.sessions.working;
    case "waiting":
      if (row.owner !== "") return words.sessions.waitingFor(row.owner);
      return hostName(row.host) === "" ? words.sessions.waiting : words.sessions.waitingFor(hostName(row.host));
    case "unread":
      return words.sessions.unread;
    case "rest":
      return words.sessions.earlier;
  }
}
