import { memo } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import type { Rows } from "../../hub/feed";
import { useStore } from "../../hub/store";
import type { Item, Me, Sender, Turn, Usage } from "../../protocol/generated";
import { type Entry, same } from "../../session/entries";
import { isFinal } from "../../session/fold";
import { limitLines } from "../../session/limits";
import { delivered } from "../../session/pending";
import { words } from "../../words";
import { clock } from "../../words/time";
import { ApprovalCard } from "./Approval";
import { AgentItem } from "./Item";
import { Message } from "./Message";
import { type Asked, TurnWays } from "./TurnWays";
import { Waiting } from "./Waiting";
import type { Seat } from "../../session/participants";
import { who } from "./people";

interface Props {
  line: Entry;
  /** The turn that it belongs to, when it is known. */
  turn: Turn | undefined;
  /** For a prompt: the turn that it came with, which another one may have taken in. */
  prompt: Turn | undefined;
  /** For the end of a turn: what it was asked. */
  asked: Asked | null;
  /** For an approval: the tool call that waits for it. */
  call: Item | undefined;
  /** For a prompt that waits: its place in the line. */
  place: number | null;
  /** For one that another prompt waits before: the turn of that. */
  ahead: string | null;
  rows: Rows;
  me: Me | null;
  /** What the reader is in this chat. */
  seat: Seat;
  agent: string;
  host: string;
  now: number;
}

/** One line of the transcript; drawn anew only when something of its own has changed, however fast another one grows. */
export const Line = memo(Drawn, (a, b) => {
  // The command may come after the turn that it asked for.
  const rows = a.rows.device === b.rows.device && a.rows.participant === b.rows.participant && a.seat === b.seat && isAgain(a.turn, a.rows) === isAgain(b.turn, b.rows);
  const rest = a.turn === b.turn && a.prompt === b.prompt && a.asked === b.asked && a.call === b.call && a.place === b.place && a.ahead === b.ahead && a.me === b.me && a.agent === b.agent && a.host === b.host;
  return rows && rest && a.now === b.now && same(a.line, b.line);
});

/** Whether what a turn was asked is another try of what came to nothing. */
function isAgain(turn: Turn | undefined, rows: Rows): boolean {
  return turn?.origin.type === "prompt" && Boolean(rows.command.get(turn.origin.command)?.retryOf);
}

function Drawn({ line, turn, prompt, asked, call, place, ahead, rows, me, agent, host, now, seat }: Props) {
  if (line.kind === "approval") return <ApprovalCard id={line.id} approval={line.approval} seat={seat} call={call} sender={turn?.sender ?? null} agent={agent} host={host} />;
  if (line.kind === "end") return <TurnEnd id={line.id} turn={line.turn} asked={asked} seat={seat} by={line.turn.error?.by ? stopper(line.turn.error.by, rows, me, line.turn.session) : null} />;
  const { item } = line;
  if (item.role === "user" && item.content.kind === "text") {
    const { person, device } = who(item.sender, rows, me, item.session);
    const command = turn?.origin.type === "prompt" ? turn.origin.command : "";
    return (
      <Message text={item.content.text} person={person} device={device} time={clock(item.createdAtMs, now)} delivery={delivered(turn?.state)} host="" attachments={(prompt ?? turn)?.content.attachments} again={isAgain(turn, rows)}>
        {turn?.state === "queued" ? <Waiting seat={seat} own={item.sender === null || rows.device.has(item.sender.device)} session={item.session} command={command} turn={item.turn} place={place} ahead={ahead} handed={turn.steer?.state === "handed"} text={item.content.text} host="" body={null} /> : null}
        {turn?.state === "running" || turn?.state === "awaiting_approval" ? <Regretted command={command} /> : null}
      </Message>
    );
  }
  return <AgentItem entry={line} working={turn !== undefined && !isFinal(turn.state)} />;
}

/** Under a message that runs although it was to be taken back: that came too late. */
function Regretted({ command }: { command: string }) {
  const why = useStore(useHub().wishes).get(command);
  if (!why) return null;
  return (
    <p className="message-error small" role="alert">
      {words.delivery.notTakenBack(why)}
    </p>
  );
}

function stopper(by: Sender, rows: Rows, me: Me | null, session: string): string {
  const { person, device } = who(by, rows, me, session);
  return [person, device].filter((part) => part !== "").join(" · ");
}

/** Why a turn did not end well: the reason in words first. */
const TurnEnd = memo(function TurnEnd({ id, turn, asked, by, seat }: { id: string; turn: Turn; asked: Asked | null; by: string | null; seat: Seat }) {
  const { error, content, state } = turn;
  const calm = error?.code === "cancelled";
  const reason = error ? (calm && by ? words.transcript.stoppedBy(by) : words.transcript.turnError(error.code)) : "";
  const used = turn.usage ? <Used turn={turn} usage={turn.usage} /> : null;
  const ways = <TurnWays seat={seat} session={turn.session} turn={id} answered={state === "completed"} asked={asked} />;
  if (state === "completed")
    return (
      <div className="turn-end turn-end-calm" data-turn-state={state}>
        {used}
        {ways}
      </div>
    );
  return (
    <div className={calm ? "turn-end turn-end-calm" : "turn-end"} data-turn-state={state}>
      <p>
        {calm ? null : <strong>{state === "failed" ? words.transcript.turnFailed : words.transcript.turnInterrupted}. </strong>}
        {reason}
      </p>
      {content.detail !== null && content.detail !== "" ? (
        <pre className="code-block" tabIndex={0}>
          {content.detail}
        </pre>
      ) : null}
      {error?.code === "rate_limited" ? <Limits turn={turn} /> : null}
      {used}
      {ways}
    </div>
  );
});

/** When the limit that was met begins anew, as far as the agent has said. */
function Limits({ turn }: { turn: Turn }) {
  const rows = useRows();
  const host = rows.host.get(rows.session.get(turn.session)?.host ?? "");
  const lines = limitLines(host?.content.agents.find((agent) => agent.id === turn.agent), useNow());
  return lines.map((line) => (
    <p key={line} className="small" data-limit>
      {line}
    </p>
  ));
}

/** What a turn took, in one quiet line. */
function Used({ turn, usage }: { turn: Turn; usage: Usage }) {
  const { startedAtMs, endedAtMs } = turn;
  const parts = [
    startedAtMs !== null && endedAtMs !== null ? words.span(endedAtMs - startedAtMs) : "",
    words.transcript.tokens(usage.inputTokens + usage.cachedTokens, usage.outputTokens),
    usage.costMicroUsd ? words.transcript.cost(usage.costMicroUsd / 1e6) : "",
  ];
  return <p className="turn-used small soft">{parts.filter((part) => part !== "").join(" · ")}</p>;
}
