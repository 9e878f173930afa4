import { memo, useState } from "react";
import { Icon } from "../../parts/Icon";
import { Mark, type Shape } from "../../parts/Mark";
import { Markdown } from "../../parts/Markdown";
import type { Item, PlanEntry, PlanStatus } from "../../protocol/generated";
import { words } from "../../words";
import { Tool } from "./Tool";

/** What the agent says, thinks, does or plans; what a person says is drawn by `Message`. */
export const AgentItem = memo(function AgentItem({ item, depth, working }: { item: Item; depth: number; working: boolean }) {
  const growing = item.settledAtMs === null && working;
  return (
    <div className={`item item-depth-${depth}`} data-kind={item.content.kind} data-status={item.status}>
      <Content item={item} growing={growing} />
    </div>
  );
});

function Content({ item, growing }: { item: Item; growing: boolean }) {
  const { content } = item;
  switch (content.kind) {
    case "text":
      return <Markdown text={content.text} growing={growing} />;
    case "reasoning":
      return <Reasoning item={item} text={content.text} growing={growing} />;
    case "tool_call":
      return <Tool call={content} status={item.status} />;
    case "plan":
      return <Plan entries={content.entries} />;
    case "notice":
      return (
        <p className={`notice notice-${content.level}`}>
          <strong>{words.transcript.notice(content.level)}</strong> {content.text}
        </p>
      );
    default:
      return <p className="notice notice-info">{words.transcript.unknownItem}</p>;
  }
}

function Reasoning({ item, text, growing }: { item: Item; text: string; growing: boolean }) {
  const [open, setOpen] = useState(false);
  const title = growing || item.settledAtMs === null ? words.transcript.thinking : words.transcript.thought(item.settledAtMs - item.createdAtMs);
  return (
    <div className="reasoning">
      <button type="button" className="reasoning-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span className={open ? "turner turner-open" : "turner"}>
          <Icon name="chevron" />
        </span>
        <span className={growing ? "breathing" : undefined}>{title}</span>
      </button>
      {open ? (
        <div className="reasoning-text">{text === "" ? <p>{words.transcript.thoughtHidden}</p> : <Markdown text={text} growing={growing} />}</div>
      ) : null}
    </div>
  );
}

const PLAN_SHAPES: Record<PlanStatus, Shape> = { pending: "idle", in_progress: "working", completed: "done" };

/** The agent's plan, whole each time. */
export function Plan({ entries }: { entries: readonly PlanEntry[] }) {
  return (
    <div className="card plan">
      <h2 className="card-kind">{words.transcript.plan}</h2>
      <ol>
        {entries.map((entry, at) => (
          // a step has no other name than its place
          <li key={at} className={`plan-step plan-${entry.status}`}>
            <Mark shape={PLAN_SHAPES[entry.status]} word={words.transcript.planStatus(entry.status)} />
            <span>{entry.text}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
