import { Suspense, lazy, useEffect, useRef, useState } from "react";
import type { Hub } from "../hub/hub";
import { waitingWords } from "../hub/outbox";
import { useStore } from "../hub/store";
import { Written } from "../parts/Written";
import { NewChat } from "../screens/new/NewChat";
import { Actions } from "../screens/sessions/Actions";
import { sharing } from "../screens/sessions/asked";
import { Archived } from "../screens/sessions/Archived";
import { DoneNote } from "../screens/sessions/DoneNote";
import { Sessions } from "../screens/sessions/Sessions";
import { TranscriptScreen } from "../screens/transcript/TranscriptScreen";
import { edits } from "../session/edits";
import { needsMe } from "../session/participants";
import { words } from "../words";
import { Boundary } from "./Boundary";
import { HubContext, useHub, useRows } from "./context";
import { useReading } from "./reading";
import { Keys } from "./Keys";
import { Notes } from "./Notes";
import { useKeys } from "./keys";
import { type Route, go, route } from "./router";
import "./app.css";

// Looked at now and then: they are fetched when they are asked for.
const Devices = lazy(() => import("../screens/devices/Devices").then(({ Devices }) => ({ default: Devices })));
const Commands = lazy(() => import("../screens/commands/Commands").then(({ Commands }) => ({ default: Commands })));
const Sharing = lazy(() => import("../screens/sharing/Sharing").then(({ Sharing }) => ({ default: Sharing })));
const Health = lazy(() => import("../screens/health/Health").then(({ Health }) => ({ default: Health })));

/** Everything behind the door: the list, and what it leads to. */
export function App({ hub }: { hub: Hub }) {
  return (
    <HubContext value={hub}>
      <Boundary title={words.page.failedTitle} text={words.page.failed}>
        <Door />
      </Boundary>
    </HubContext>
  );
}

function Door() {
  const hub = useHub();
  const phase = useStore(hub.phase);
  const connection = useStore(hub.socket.connection);
  useEffect(() => {
    // A page of its own, from nothing: what this account has shown does not stay in memory (W-119).
    if (phase === "unpaired") location.replace("/pair");
  }, [phase]);
  const old = connection.state === "stopped" && connection.why === "upgrade";
  useEffect(() => {
    // The hub speaks another protocol than this page: the page that it serves now speaks it.
    if (old) void hub.fresh.look().then(() => (hub.fresh.newer.get() !== null && hub.fresh.mayLoad() ? hub.fresh.load() : undefined));
  }, [old, hub]);
  if (phase === "unreachable") return <NoHub title={words.boot.unreachableTitle} text={words.boot.unreachable} />;
  if (phase === "shut") return <NoHub title={words.boot.shutTitle} text={words.boot.shut} />;
  if (phase !== "ready") return <Alone title={words.boot.starting} />;
  if (connection.state === "stopped" && connection.why === "forbidden") return <Alone title={words.boot.forbiddenTitle} text={words.boot.forbidden} />;
  if (old) {
    return (
      <Alone title={words.boot.upgradeTitle} text={words.boot.upgrade}>
        <button type="button" className="button button-primary" onClick={() => location.reload()}>
          {words.boot.reload}
        </button>
      </Alone>
    );
  }
  return <Rooms />;
}

/** Without a hub there are no chats to show; what was written on this device is, because that is all that could be lost. */
function NoHub({ title, text }: { title: string; text: string }) {
  const hub = useHub();
  const waits = waitingWords(hub.kept);
  const drafts = [...hub.drafts.all().map(([, text]) => text), ...edits.all(hub.kept)];
  return (
    <Alone title={title} text={text}>
      <Words title={words.boot.willBeSent} texts={waits} />
      <Words title={words.boot.drafts} texts={drafts} />
    </Alone>
  );
}

function Words({ title, texts }: { title: string; texts: string[] }) {
  if (texts.length === 0) return null;
  return (
    <section className="alone-words">
      <h3 className="small soft">{title}</h3>
      <ul>
        {texts.map((text, at) => (
          <li key={at}>{text}</li>
        ))}
      </ul>
    </section>
  );
}

function Alone({ title, text, children }: { title: string; text?: string; children?: React.ReactNode }) {
  return (
    <main className="alone">
      <Written title={title} text={text} line={text === undefined ? "slack" : "broken"}>
        {children}
      </Written>
    </main>
  );
}

function Rooms() {
  const here = useStore(route);
  const [keys, setKeys] = useState(false);
  useKeys({ "?": () => setKeys(true), n: () => go({ screen: "new", project: null }) });
  useFavicon();
  useHeadFocus(here);
  const session = here.screen === "session" ? here.session : null;
  useReading(session);
  return (
    <div className="rooms" data-screen={here.screen}>
      <div className="rooms-list">
        <Sessions current={session} alone={here.screen === "sessions"} />
      </div>
      <div className="rooms-main">
        {here.screen === "new" ? <NewChat project={here.project} /> : null}
        {session === null ? null : <TranscriptScreen session={session} />}
        {here.screen === "archived" ? <Archived /> : null}
        <Boundary key={here.screen} title={words.page.partTitle} text={words.page.part}>
          <Suspense fallback={<main className="alone" />}>
            {here.screen === "devices" ? <Devices /> : null}
            {here.screen === "health" ? <Health /> : null}
            {here.screen === "commands" ? <Commands /> : null}
          </Suspense>
        </Boundary>
        {here.screen === "sessions" ? (
          <aside className="alone" aria-label={words.sessions.emptyMain}>
            <Written title={words.sessions.title} text={words.sessions.emptyMain} />
          </aside>
        ) : null}
      </div>
      <Actions />
      <SharingWhenAsked />
      <Notes />
      <DoneNote />
      {keys ? <Keys close={() => setKeys(false)} /> : null}
    </div>
  );
}

/** Who takes part in a chat, once that is asked for; what has to be fetched first leaves the chats as they are. */
function SharingWhenAsked() {
  const session = useStore(sharing);
  const known = useRows().session.has(session ?? "");
  // A chat that goes takes it along.
  useEffect(() => {
    if (session !== null && !known) sharing.set(null);
  }, [session, known]);
  if (session === null || !known) return null;
  return (
    <Boundary key={session} title={words.page.partTitle} text={words.page.part}>
      <Suspense fallback={null}>
        <Sharing id={session} />
      </Suspense>
    </Boundary>
  );
}

/** Another screen begins at its head, for the keyboard and for whoever hears the page. */
function useHeadFocus(here: Route): void {
  const first = useRef(here);
  useEffect(() => {
    if (first.current === here) return;
    const head = document.querySelector<HTMLElement>("main h1");
    head?.setAttribute("tabindex", "-1");
    head?.focus({ preventScroll: true });
  }, [here]);
}

/** The sign in the browser's tab has a filled dot while something needs you. */
function useFavicon(): void {
  const rows = useRows();
  const me = useStore(useHub().me);
  const needs = needsMe(rows, me);
  useEffect(() => {
    document.querySelector<HTMLLinkElement>('link[rel="icon"]')?.setAttribute("href", needs ? "/favicon-needs.svg" : "/favicon.svg");
  }, [needs]);
}
