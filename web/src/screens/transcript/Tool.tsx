import { Fragment, type ReactNode, useId, useState } from "react";
import { Icon } from "../../parts/Icon";
import { Mark, type Shape } from "../../parts/Mark";
import { Markdown } from "../../parts/Markdown";
import { Code } from "../../parts/code/Code";
import type { ItemStatus, ToolCall, ToolKind } from "../../protocol/generated";
import { words } from "../../words";
import { DiffView } from "./DiffView";
import { useShownPath } from "./ProjectPath";
import { commandOf, field, inputOf, pretty } from "./tool/input";
import { Labelled } from "./tool/Labelled";
import { Command, FilePart, Matches, Output, Web } from "./tool/Parts";
import { reason, summary } from "./tool/summary";

const SHAPES: Record<ItemStatus, Shape> = { running: "working", done: "done", failed: "failed", denied: "dead", interrupted: "dead", unknown: "idle" };

/** Tools that only look, and what of their input stands in their title. */
const LOOKS: ReadonlySet<ToolKind> = new Set<ToolKind>(["read", "search", "fetch"]);
const TITLED: ReadonlySet<string> = new Set(["url", "pattern", "query", "file_path", "path", "notebook_path"]);

/** What agents call an edit: our own word stands there already. */
const WRITING = ["Write", "Create", "Update"];

interface Props {
  call: ToolCall;
  status: ItemStatus;
  /** How many lines its sub-agent has, and how they are drawn. */
  steps?: number;
  children?: ReactNode;
}

/** A tool call: one line when settled and fine, open while it runs or when it failed. */
export function Tool({ call, status, steps = 0, children }: Props) {
  const wants = (status === "running" && (call.tool === "execute" || call.output !== "" || steps > 0)) || status === "failed";
  const [asked, setAsked] = useState<boolean | null>(null);
  const open = asked ?? wants;
  const body = useId();
  const failed = status === "failed" || (call.exitCode !== null && call.exitCode !== 0);
  const note = summary(call, status, steps);
  const shown = useShownPath();
  return (
    <section className={`card tool${open ? " tool-open" : ""}`} data-tool={call.tool} data-status={status}>
      <button type="button" className="tool-head" aria-expanded={open} aria-controls={body} onClick={() => setAsked(!open)}>
        <span className="card-kind">{words.tool.kind(call.tool)}</span>
        <span className="tool-title">{shown(titled(call))}</span>
        {note === "" ? null : <span className="tool-note">{note}</span>}
        <Mark shape={failed && status === "done" ? "failed" : SHAPES[status]} word={words.tool.status(status)} />
        <span className={open ? "turner turner-open" : "turner"}>
          <Icon name="chevron" />
        </span>
      </button>
      <div id={body} hidden={!open} className="tool-body">
        {open ? (
          <Body call={call} status={status} steps={steps}>
            {children}
          </Body>
        ) : null}
      </div>
    </section>
  );
}

function Body({ call, status, steps = 0, children }: Props) {
  const why = reason(call, status);
  return (
    <>
      {why === null ? null : <p className="tool-reason">{why}</p>}
      <Asked call={call} />
      {steps > 0 ? <div className="sub-agent">{children}</div> : null}
      {call.output === "" ? status === "running" && steps === 0 ? <p className="small soft">{words.tool.noOutput}</p> : null : <Answer call={call} status={status} />}
      {call.used ? <p className="small soft">{words.tool.used(call.used.tokens, call.used.toolCalls, words.span(call.used.durationMs))}</p> : null}
      {call.outputOmittedBytes > 0 ? <p className="tool-omitted small">{words.tool.omitted(words.size(call.outputOmittedBytes))}</p> : null}
    </>
  );
}

/** What the call does, as exactly as its kind can say it. */
function Asked({ call }: { call: ToolCall }) {
  if (call.diffs.length > 0) {
    // the edits of a call are named by their place
    return call.diffs.map((each, at) => <DiffView key={at} edit={each} />);
  }
  const command = call.tool === "execute" ? commandOf(call.input) : null;
  if (command !== null) return <Command command={command} />;
  const input = inputOf(call.input);
  const prompt = call.tool === "task" ? field(input, "prompt") : "";
  if (prompt !== "") {
    return (
      <Labelled label={words.tool.task} copy={prompt}>
        <p className="tool-prompt">{prompt}</p>
      </Labelled>
    );
  }
  if (call.input === "" || call.input === "{}") return null;
  if (input !== null && LOOKS.has(call.tool)) return <Rest input={input} />;
  const text = pretty(call.input);
  return (
    <Labelled label={words.tool.input} copy={text}>
      <pre className="code-block" tabIndex={0}>
        <Code text={text} language="json" />
      </pre>
    </Labelled>
  );
}

/** What a look asks for beside what its title says. */
function Rest({ input }: { input: Record<string, unknown> }) {
  const rest = Object.entries(input).filter(([name, value]) => !TITLED.has(name) && value !== null && value !== "");
  if (rest.length === 0) return null;
  return (
    <dl className="asked small">
      {rest.map(([name, value]) => (
        <Fragment key={name}>
          <dt className="soft">{name}</dt>
          <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
        </Fragment>
      ))}
    </dl>
  );
}

/** The title without the word that stands before it already. */
function titled(call: ToolCall): string {
  const [kind, title] = [words.tool.kind(call.tool), call.title || call.name];
  const same = [kind, ...(call.tool === "edit" ? WRITING : [])].find((word) => title.startsWith(`${word} `));
  return same === undefined ? title : title.slice(same.length + 1);
}

/** What came of it, as its kind is read best. */
function Answer({ call, status }: { call: ToolCall; status: ItemStatus }) {
  if (status === "done") {
    if (call.tool === "read") return <FilePart call={call} />;
    if (call.tool === "search") return <Matches call={call} />;
    if (call.tool === "fetch") return <Web call={call} />;
    if (call.tool === "task") {
      return (
        <div className="tool-words">
          <Markdown text={call.output} growing={false} />
        </div>
      );
    }
  }
  return <Output text={call.output} />;
}
