import { memo, useState } from "react";
import { Icon } from "../../parts/Icon";
import { Mark, type Shape } from "../../parts/Mark";
import { Markdown } from "../../parts/Markdown";
import type { Item, PlanEntry, PlanStatus } from "../../protocol/generated";
import { words } from "../../words";
import { type ItemEntry, same } from "../../session/entries";
import { Tool } from "./Tool";

interface Props {
  entry: ItemEntry;
  /** The turn goes on: what is not settled may still grow. */
  working: boolean;
}

/** What the agent says, thinks, does or plans; what a person says is drawn by `Message`. */
export const AgentItem = memo(
  function AgentItem({ entry, working }: Props) {
    const { item, depth } = entry;
    return (
      <div className={`item item-depth-${depth}`} data-kind={item.content.kind} data-status={item.status}>
        <Content entry={entry} working={working} />
        {item.leftOutBytes ? <p className="tool-omitted small">{words.transcript.leftOut(words.size(item.leftOutBytes))}</p> : null}
      </div>
    );
  },
  (a, b) => a.working === b.working && same(a.entry, b.entry),
);

function Content({ entry, working }: Props) {
  const { item } = entry;
  const growing = item.settledAtMs === null && working;
  const { content } = item;
  switch (content.kind) {
    case "text":
      return <Markdown text={content.text} growing={growing} />;
    case "reasoning":
      return <Reasoning item={item} text={content.text} growing={growing} />;
    case "tool_call":
      return (
        <Tool call={content} status={item.status} steps={entry.children.length}>
          {entry.children.map((child) => (
            <AgentItem key={child.id} entry={child} working={working} />
          ))}
        </Tool>
      );
    case "plan":
      return <Plan entries={content.entries} />;
    case "notice":
      return (
        <div className={`notice notice-${content.level}`}>
          <Mark shape={content.level === "info" ? "idle" : content.level === "warning" ? "needs" : "failed"} />
          <p>
            <strong>{words.transcript.notice(content.level)}</strong> {content.text}
          </p>
        </div>
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
  const done = entries.filter((entry) => entry.status === "completed").length;
  return (
    <section className="card plan" aria-label={words.transcript.plan}>
      <header className="plan-head">
        <h2 className="card-kind">{words.transcript.plan}</h2>
        <span className="small soft">{words.transcript.planDone(done, entries.length)}</span>
      </header>
      <ol>
        {entries.map((entry, at) => (
          // a step has no other name than its place
          <li key={at} className={`plan-step plan-${entry.status}`}>
            <Mark shape={PLAN_SHAPES[entry.status]} word={words.transcript.planStatus(entry.status)} />
            <span>{entry.text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
