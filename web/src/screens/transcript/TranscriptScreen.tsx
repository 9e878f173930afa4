import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { names as machineNames } from "../../machines/standing";
import { FilesOf } from "../../parts/Attachments";
import { Icon } from "../../parts/Icon";
import { Link } from "../../parts/Link";
import { Sign } from "../../parts/Sign";
import { Written } from "../../parts/Written";
import { type Entry, entries, turnOf } from "../../session/entries";
import type { Opener } from "../../session/opener";
import type { Forked, Host } from "../../protocol/generated";
import { type Begun, chunks } from "../../session/chunks";
import { type Seat, arranges, writes } from "../../session/participants";
import { type Delivery, pending } from "../../session/pending";
import { words } from "../../words";
import { Strip } from "../sharing/Strip";
import { Unsent } from "../sharing/Unsent";
import { useGone } from "../sharing/useGone";
import { useSeat } from "../sharing/useSeat";
import { Composer } from "./Composer";
import { Details } from "./Details";
import { LateEdits } from "./LateEdits";
import type { Row, Setting } from "./Lines";
import { PendingMessage } from "./PendingMessage";
import { ProjectPath } from "./ProjectPath";
import { Refusals } from "./Refusals";
import { Stretch } from "./Stretch";
import type { Asked } from "./TurnWays";
import { useAnswerKeys } from "./useAnswerKeys";
import { useLineKeys } from "./useLineKeys";
import { useScroll } from "./useScroll";
import { Still, useStill } from "./useStill";
import { useStop } from "./useStop";
import "./transcript.css";
import "./cards.css";

/** How often to look for a session that the lists know and its journal does not yet, in milliseconds. */
const LOOK_AGAIN_MS = 1_500;
/** Where a message stands while its words can be changed. */
const WAITS: ReadonlySet<string> = new Set<Delivery>(["here", "hub", "held", "queued"]);

/** One chat: what was said and done, by place, and what waits for you. */
export function TranscriptScreen({ session }: { session: string }) {
  const hub = useHub();
  const [opener, setOpener] = useState<Opener | null>(null);
  useEffect(() => {
    const made = hub.openSession(session);
    setOpener(made);
    return () => hub.leaveSession(session, made);
  }, [hub, session]);
  return opener ? <Chat key={session} session={session} opener={opener} /> : null;
}

function Chat({ session, opener }: { session: string; opener: Opener }) {
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  const me = useStore(hub.me);
  const opened = useStore(opener.state);
  const now = useNow();
  const [details, setDetails] = useState(false);
  const [dismissed, setDismissed] = useState<ReadonlySet<string>>(new Set());
  const { transcript, version, phase, older } = opened;
  const row = rows.session.get(session);
  const seat = useSeat(session);
  const gone = useGone(session, row, seat);

  // The host makes the session a moment after this page has opened it: look again when the lists know it.
  const known = row !== undefined;
  useEffect(() => {
    if (!known || phase !== "missing") return;
    let looks = 0;
    let timer = 0;
    let left = false;
    const look = async (): Promise<void> => {
      await opener.look();
      if (left) return;
      looks += 1;
      // Neither is it there nor does it come: perhaps the lists are the older ones, and it has gone.
      if (looks === 3) hub.refresh();
      timer = window.setTimeout(() => void look(), LOOK_AGAIN_MS);
    };
    void look();
    return () => {
      left = true;
      window.clearTimeout(timer);
    };
  }, [known, phase, opener, hub]);

  // the transcript changes in place, its version says when
  const lines = useMemo(() => entries(transcript), [transcript, version]);
  const waits = useMemo(() => pending(session, transcript, rows, sent, hub.tookBack()), [hub, session, transcript, version, rows, sent]).filter((each) => !dismissed.has(each.command));
  const turns = transcript.turns();
  const queued = turns.filter(([, turn]) => turn.state === "queued").map(([id]) => id);
  const running = turns.find(([, turn]) => turn.state === "running" || turn.state === "awaiting_approval");
  // Everything that can still be changed; only once all of it is known can something be said to be none of that.
  const changeable = phase !== "loading" && phase !== "failed" && rows.ready ? new Set([...waits.flatMap((each) => (WAITS.has(each.delivery) ? [each.command] : [])), ...queued, ...turns.flatMap(([, turn]) => (turn.state === "queued" && turn.origin.type === "prompt" ? [turn.origin.command] : []))]) : null;
  const host = row?.host ?? waits[0]?.host ?? "";
  const hostName = useMemo(() => machineNames(rows.host), [rows.host]).get(host) ?? seat.host;
  const agentId = row?.agent ?? "";
  const offer = rows.host.get(host)?.content.agents.find((each) => each.id === agentId);
  const agent = offer?.name ?? words.agents[agentId] ?? agentId;
  const commands = useMemo(() => (offer?.commands ?? []).filter((command) => command.project === null || command.project === row?.project), [offer, row?.project]);
  const project = row ? (rows.project.get(row.project)?.content.name ?? "") : "";
  // by its places, so that a queue that did not change draws nothing anew
  const places = queued.join(" ");
  const begun = useRef<Begun>(new Map());
  const askedBefore = useRef(new Map<string, Asked>());
  const pieces = useMemo(() => {
    // A prompt stands right behind its turn.
    const prompts = new Map(turns.map(([, turn]) => [turn.ord + 1, turn]));
    // What each turn was asked, and behind which one the same could be asked in another way. The same object as long as that is so:
    // a line is drawn anew only for what is new to it.
    let answered: string | null = null;
    const askedOf = new Map<string, Asked>();
    for (const [id, turn] of turns) {
      const said = [...(transcript.parts().get(id)?.items ?? [])].map((item) => transcript.item(item)).find((item) => item?.role === "user" && item.ord === turn.ord + 1);
      if (said?.content.kind === "text") askedOf.set(id, kept(askedBefore.current, id, { text: said.content.text, attachments: turn.content.attachments, command: turn.origin.type === "prompt" ? turn.origin.command : null, before: answered }));
      if (turn.state === "completed" && !turn.steer) answered = id;
    }
    const row = (line: Entry): Row => {
      const [turn, waiting] = [turnOf(line), queued.indexOf(turnOf(line))];
      const call = line.kind === "approval" && line.approval.item !== null ? transcript.item(line.approval.item) : undefined;
      const prompt = line.kind === "item" && line.item.role === "user" ? prompts.get(line.ord) : undefined;
      return { line, turn: transcript.turn(turn), prompt, asked: line.kind === "end" ? (askedOf.get(line.id) ?? null) : null, call, place: waiting < 0 ? null : waiting + 1, ahead: queued[waiting - 1] ?? null };
    };
    return chunks(lines.map(row), begun.current);
  }, [lines, transcript, places]);
  const today = new Date(now).setHours(0, 0, 0, 0);
  // Of the lists a line needs the names of devices and of who takes part, and which messages are sent again: a heartbeat draws no line anew.
  const names = useMemo(() => [...rows.device].map(([id, device]) => `${id} ${device.content.name}`).join("\n"), [rows.device]);
  const people = useMemo(() => [...rows.participant].map(([id, each]) => `${id} ${each.account} ${each.content.name}`).join("\n"), [rows.participant]);
  const tries = useMemo(() => [...rows.command].filter(([, each]) => each.session === session && each.retryOf).map(([id]) => id).join(" "), [rows.command, session]);
  const setting = useMemo((): Setting => ({ rows, me, seat, agent, host: hostName, today }), [names, people, tries, me, seat, agent, hostName, today]);
  const stop = useStop(session, host, running?.[0] ?? null);
  const title = gone?.title || row?.content.title || waits[0]?.text.split("\n")[0]?.slice(0, 80) || (phase === "missing" ? words.appName : words.sessions.untitled);

  const wantOlder = useCallback(() => {
    if (opener.state.get().older === "more") void opener.more();
  }, [opener]);
  const shown = gone === null && (phase === "open" || waits.length > 0);
  const scroll = useScroll(`${version} ${waits.length} ${phase}`, shown, wantOlder);
  useEffect(() => {
    document.title = `${title} · ${words.appName}`;
    return () => {
      document.title = words.appName;
    };
  }, [title]);

  const keys = useLineKeys();
  const held = seat.role === "owner" ? waits.flatMap((each) => (each.delivery === "held" ? [`${each.command} ${each.text}`] : [])) : [];
  const first = rows.command.get(seat.role === "owner" ? (waits.find((each) => each.delivery === "held")?.command ?? "") : "");
  const asks = first ? words.sharing.asks(first.participant?.name ?? "") : "";
  const asking = useMemo(() => lines.flatMap((line) => (line.kind === "approval" && line.approval.state === "pending" ? [`${line.id} ${line.approval.content.shown}`] : [])), [lines]);
  const still = useStill([...asking, ...held].join("\n"));
  useAnswerKeys(scroll.box, asking.length + held.length);
  // The screen before took the focus with it, and this one was not there yet when its address came.
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) head.current?.focus({ preventScroll: true });
  }, []);
  const more = useRef<HTMLButtonElement>(null);
  // Whoever was in them goes on where they were opened; whoever writes goes on writing.
  const closeDetails = useCallback(() => {
    const inside = document.activeElement?.closest(".details") || document.activeElement === document.body;
    setDetails(false);
    if (inside) more.current?.focus();
  }, []);
  const making = phase === "missing" && waits.length > 0;
  return (
    <main onKeyDown={keys.onKeyDown} className={details ? "chat chat-details" : "chat"}>
      <header className="chat-head">
        <Link to={{ screen: "sessions" }} className="button button-plain button-square page-back" label={words.back}>
          <Icon name="back" />
        </Link>
        <div className="chat-names">
          <h1 ref={head} tabIndex={-1} className="chat-title">{title}</h1>
          <p className="chat-where">{[hostName, project, agent].filter((part) => part !== "").join(" · ")}</p>
        </div>
        <Sign flowing={running?.[1].state === "running"} />
        <button ref={more} type="button" className="button button-plain button-square chat-more" disabled={!row} aria-label={words.details.open} aria-expanded={details} onClick={() => (details ? closeDetails() : setDetails(true))}>
          <Icon name="more" />
        </button>
        {row ? <Strip session={session} seat={seat} /> : null}
      </header>
      {shown ? (
        <div className="chat-scroll" ref={scroll.box} onScroll={scroll.onScroll} tabIndex={-1}>
          <div className="chat-lines" ref={scroll.list} role="log" aria-label={words.transcript.log} aria-live="off">
            {phase === "open" && !(row?.from && older === "none") ? <Top older={older} lines={lines} more={() => void opener.more()} /> : null}
            {row?.from && (older === "none" || lines.length === 0) ? <From from={row.from} /> : null}
            <FilesOf value={seat.role === "owner" ? null : session}>
              <ProjectPath value={row ? (rows.project.get(row.project)?.content.path ?? "") : ""}>
                <Still value={still}>
                  <Stretch chunks={pieces} setting={setting} around={scroll.around} settle={scroll.settle} />
                </Still>
              </ProjectPath>
              <Still value={still}>
                {waits.map((each) => (
                  <PendingMessage key={each.command} message={each} session={session} now={now} dismiss={() => setDismissed((before) => new Set(before).add(each.command))} />
                ))}
              </Still>
            </FilesOf>
            {changeable === null || !row || !writes(seat) ? null : <LateEdits session={session} host={row.host} waiting={changeable} />}
            {making ? <p className="chat-note soft small">{words.transcript.starting}</p> : null}
            {phase === "open" && lines.length === 0 && waits.length === 0 ? <Written title={words.transcript.emptyTitle} text={words.transcript.empty} /> : null}
            <Now running={running?.[1].state} quietSince={running?.[1].quietSinceMs ?? null} stop={stop.press} stopping={stop.stop.state === "going"} activity={row?.activity} background={row?.backgroundTasks ?? 0} seat={seat} stopBackground={() => hub.post(host, { kind: "cancel_turn", session, turn: null })} agent={agent} host={rows.host.get(host)} hostName={hostName} />
          </div>
        </div>
      ) : (
        <div className="chat-scroll chat-alone">
          {gone ? (
            <Written title={words.sharing.goneTitle} text={words.sharing.gone(gone.owner)} line="broken">
              <Unsent session={session} why={words.sharing.unsent} sends />
              <Link to={{ screen: "sessions" }} className="button button-primary">
                {words.transcript.missingNext}
              </Link>
            </Written>
          ) : null}
          {phase === "loading" && !gone ? <p className="chat-note soft" role="status">{words.transcript.loading}</p> : null}
          {phase === "missing" && !gone ? (
            <Written title={known ? words.transcript.notYetTitle : words.transcript.missingTitle} text={known ? words.transcript.notYet(hostName) : words.transcript.missing} line="broken">
              {known || !rows.ready ? null : <Unsent session={session} why={words.sharing.unsent} sends />}
              <Link to={{ screen: "sessions" }} className="button button-primary">
                {words.transcript.missingNext}
              </Link>
            </Written>
          ) : null}
          {phase === "failed" && !gone ? <Written title={words.transcript.failedTitle} text={words.transcript.failed} line="broken" /> : null}
        </div>
      )}
      <footer className="chat-foot">
        {shown && !scroll.atEnd ? (
          <button type="button" className="button latest" onClick={scroll.toEnd}>
            <Icon name="down" />
            {words.transcript.latest}
          </button>
        ) : null}
        <Announce prompt={asks} lines={lines} />
        <p className="unseen" role="status">
          {keys.said}
        </p>
        <Refusals session={session} stops={stop.stops} />
        {host !== "" && shown && !writes(seat) ? (
          <div className="watching">
            <p className="small soft">{words.sharing.watching(seat.owner)}</p>
            <Unsent session={session} why={words.sharing.watchingDraft} />
          </div>
        ) : null}
        {host !== "" && shown && writes(seat) ? <Composer seat={seat} session={session} host={host} running={running?.[0] ?? null} stop={stop.stop} halt={stop.press} commands={commands} sent={scroll.toEnd} /> : null}
      </footer>
      {details && row && !gone ? <Details id={session} session={row} turns={turns} lines={lines} close={closeDetails} /> : null}
    </main>
  );
}

/** What was made before under a key, when it is the same. */
function kept(before: Map<string, Asked>, key: string, now: Asked): Asked {
  const known = before.get(key);
  if (known && known.text === now.text && known.before === now.before && known.attachments === now.attachments) return known;
  before.set(key, now);
  return now;
}

/** What a chat goes on from. */
function From({ from }: { from: Forked }) {
  const title = useRows().session.get(from.session)?.content.title;
  return (
    <p className="chat-note chat-top soft small">
      {words.delivery.forkedFrom}{" "}
      {title === undefined ? words.delivery.forkedGone : <Link to={{ screen: "session", session: from.session }}>{title || words.sessions.untitled}</Link>}
    </p>
  );
}

function Top({ older, lines, more }: { older: "none" | "more" | "loading" | "failed"; lines: readonly Entry[]; more: () => void }) {
  if (older === "none") return lines.length > 0 ? <p className="chat-note chat-top soft small">{words.transcript.beginning}</p> : null;
  if (older === "loading") return <p className="chat-note chat-top soft small">{words.transcript.olderLoading}</p>;
  return (
    <div className="chat-note chat-top">
      {older === "failed" ? <p className="soft small">{words.transcript.olderFailed}</p> : null}
      <button type="button" className="button button-plain small" onClick={more}>
        {words.transcript.older}
      </button>
    </div>
  );
}

/**
 * One line about the turn that runs, below everything that it has said; its place is kept, so that nothing jumps. Without a
 * connection it says nothing: nobody here knows what the agent does now. The same when its machine is away, and that is said.
 */
function Now({ running, quietSince, stop, stopping, seat, activity, background, stopBackground, agent, host, hostName }: { running: string | undefined; quietSince: number | null; stop: () => void; stopping: boolean; seat: Seat; activity: string | undefined; background: number; stopBackground: () => void; agent: string; host: Host | undefined; hostName: string }) {
  const live = useStore(useHub().socket.connection).state === "live";
  const now = useNow();
  const may = writes(seat);
  const asks = arranges(seat) ? words.transcript.waitsForYou(agent) : words.sharing.agentWaits(agent, seat.owner);
  const away = host !== undefined && host.presence !== "online" && host.presence !== "stale";
  const text = away ? (running === undefined ? "" : words.transcript.notKnown(hostName)) : running === "running" ? words.transcript.working(agent) : running === "awaiting_approval" ? asks : activity === "starting" ? words.transcript.starts(agent) : "";
  if (live && !away && running === "running" && quietSince !== null) {
    return (
      <p className="chat-now small soft" role="status" data-quiet>
        {words.transcript.quiet(agent, Math.max(0, now - quietSince))}{" "}
        {may ? (
          <button type="button" className="button small" aria-disabled={stopping} onClick={stop}>
            {stopping ? words.composer.stopping : words.transcript.quietStop}
          </button>
        ) : null}
      </p>
    );
  }
  if (live && !away && running === undefined && background > 0) {
    return (
      <p className="chat-now small soft" role="status" data-background>
        <span className="breathing">{words.transcript.background(agent, background)}</span>{" "}
        {may ? (
          <button type="button" className="button small" onClick={stopBackground}>
            {words.transcript.quietStop}
          </button>
        ) : null}
      </p>
    );
  }
  return (
    <p className="chat-now small soft" role="status">
      {text === "" || !live ? null : <span className={running === "awaiting_approval" || away ? undefined : "breathing"}>{text}</span>}
    </p>
  );
}

/** Tells a screen reader of what needs an answer at once; the words of the agent are read at the reader's own pace. */
function Announce({ lines, prompt }: { lines: readonly Entry[]; prompt: string }) {
  const asked = lines.findLast((line) => line.kind === "approval" && line.approval.state === "pending");
  return (
    <p className="unseen" role="alert">
      {asked?.kind === "approval" ? asked.approval.content.title : prompt}
    </p>
  );
}
