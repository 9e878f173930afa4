import { memo } from "react";
import type { Rows } from "../../hub/feed";
import type { Me, Turn } from "../../protocol/generated";
import type { Entry } from "../../session/entries";
import { type Transcript, isFinal } from "../../session/fold";
import { delivered } from "../../session/pending";
import { words } from "../../words";
import { clock } from "../../words/time";
import { ApprovalCard } from "./Approval";
import { AgentItem } from "./Item";
import { Message } from "./Message";
import { who } from "./people";

interface Props {
  line: Entry;
  transcript: Transcript;
  rows: Rows;
  me: Me | null;
  agent: string;
  host: string;
  now: number;
}

/** One line of the transcript. */
export function Line({ line, transcript, rows, me, agent, host, now }: Props) {
  if (line.kind === "approval") return <ApprovalCard id={line.id} approval={line.approval} agent={agent} host={host} />;
  if (line.kind === "end") return <TurnEnd turn={line.turn} by={line.turn.error?.by ? who(line.turn.error.by, rows, me).device : null} />;
  const turn = transcript.turn(line.item.turn);
  const { item } = line;
  if (item.role === "user" && item.content.kind === "text") {
    const { person, device } = who(item.sender, rows, me);
    return <Message text={item.content.text} person={person} device={device} time={clock(item.createdAtMs, now)} delivery={delivered(turn?.state)} host={host} />;
  }
  return <AgentItem item={item} depth={line.depth} working={turn !== undefined && !isFinal(turn.state)} />;
}

/** Why a turn did not end well: the reason in words first. */
const TurnEnd = memo(function TurnEnd({ turn, by }: { turn: Turn; by: string | null }) {
  const { error, content, state } = turn;
  const calm = error?.code === "cancelled";
  const reason = error ? (calm && by ? words.transcript.stoppedBy(by) : words.transcript.turnError(error.code)) : "";
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
    </div>
  );
});
