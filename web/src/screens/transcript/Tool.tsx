import { useId, useState } from "react";
import { Icon } from "../../parts/Icon";
import { Mark, type Shape } from "../../parts/Mark";
import type { Diff, ItemStatus, ToolCall } from "../../protocol/generated";
import { counts, diff } from "../../session/diff";
import { words } from "../../words";
import { DiffView } from "./DiffView";

/** Lines of output that are shown before all are asked for. */
const LAST_LINES = 8;

const SHAPES: Record<ItemStatus, Shape> = { running: "working", done: "done", failed: "failed", denied: "dead", interrupted: "dead", unknown: "idle" };

/** A tool call: one line when settled and fine, open while it runs or when it failed. */
export function Tool({ call, status }: { call: ToolCall; status: ItemStatus }) {
  const wants = (status === "running" && (call.tool === "execute" || call.output !== "")) || status === "failed";
  const [asked, setAsked] = useState<boolean | null>(null);
  const open = asked ?? wants;
  const body = useId();
  const failed = status === "failed" || (call.exitCode !== null && call.exitCode !== 0);
  const note = summary(call, status);
  return (
    <section className={`card tool${open ? " tool-open" : ""}`} data-tool={call.tool} data-status={status}>
      <button type="button" className="tool-head" aria-expanded={open} aria-controls={body} onClick={() => setAsked(!open)}>
        <span className="card-kind">{words.tool.kind(call.tool)}</span>
        <span className="tool-title">{call.title || call.name}</span>
        {note === "" ? null : <span className="tool-note">{note}</span>}
        <Mark shape={failed && status === "done" ? "failed" : SHAPES[status]} word={words.tool.status(status)} />
        <span className={open ? "turner turner-open" : "turner"}>
          <Icon name="chevron" />
        </span>
      </button>
      <div id={body} hidden={!open} className="tool-body">
        {open ? <Body call={call} status={status} /> : null}
      </div>
    </section>
  );
}

function Body({ call, status }: { call: ToolCall; status: ItemStatus }) {
  const command = call.tool === "execute" ? commandOf(call.input) : null;
  const edits = call.diffs.length > 0;
  return (
    <>
      {command !== null ? <pre className="code-block tool-command">{command}</pre> : null}
      {call.diffs.map((each, at) => (
        // the edits of a call are named by their place
        <DiffView key={at} edit={each} />
      ))}
      {command === null && !edits && call.input !== "" && call.input !== "{}" ? (
        <Labelled label={words.tool.input}>
          <pre className="code-block" tabIndex={0}>{pretty(call.input)}</pre>
        </Labelled>
      ) : null}
      {call.output !== "" ? <Output text={call.output} /> : status === "running" ? <p className="small soft">{words.tool.noOutput}</p> : null}
      {call.outputOmittedBytes > 0 ? <p className="small soft">{words.tool.omitted(words.size(call.outputOmittedBytes))}</p> : null}
    </>
  );
}

function Output({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  const lines = text.replace(/\n$/, "").split("\n");
  const long = lines.length > LAST_LINES;
  return (
    <Labelled label={words.tool.output}>
      <pre className="code-block" tabIndex={0}>{all || !long ? lines.join("\n") : lines.slice(-LAST_LINES).join("\n")}</pre>
      {long ? (
        <button type="button" className="button button-plain tool-more" onClick={() => setAll(!all)}>
          {all ? words.tool.showLess : words.tool.showAll(lines.length)}
        </button>
      ) : null}
    </Labelled>
  );
}

function Labelled({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div className="labelled">
      <span className="small soft">{label}</span>
      {children}
    </div>
  );
}

function summary(call: ToolCall, status: ItemStatus): string {
  if (status === "denied" || status === "interrupted") return words.tool.status(status);
  if (call.exitCode !== null && call.exitCode !== 0) return words.tool.exit(call.exitCode);
  if (call.diffs.length > 0) return call.diffs.map(plusMinus).join(" ");
  return "";
}

function plusMinus(edit: Diff): string {
  const lines = diff(edit.oldText ?? "", edit.newText);
  if (lines === null) return "";
  const { added, removed } = counts(lines);
  return removed > 0 ? `+${added} −${removed}` : `+${added}`;
}

/** The command of a call that runs one; null while its input is not whole, or when it has none. */
export function commandOf(input: string): string | null {
  try {
    const value = JSON.parse(input) as { command?: unknown } | null;
    if (typeof value?.command === "string") return value.command;
    return Array.isArray(value?.command) ? value.command.join(" ") : null;
  } catch {
    return null;
  }
}

function pretty(input: string): string {
  try {
    return JSON.stringify(JSON.parse(input), null, 2);
  } catch {
    return input;
  }
}
