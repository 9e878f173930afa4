import { useMemo } from "react";
import { Markdown } from "../../../parts/Markdown";
import { Code } from "../../../parts/code/Code";
import { ansiLines, ansiPlain } from "../../../parts/code/ansi";
import { Tokens } from "../../../parts/code/Tokens";
import { ofPath } from "../../../parts/code/language";
import { useTokens } from "../../../parts/code/useTokens";
import type { ToolCall } from "../../../protocol/generated";
import { words } from "../../../words";
import { useShownPath } from "../ProjectPath";
import { Copy } from "./Copy";
import { Folded } from "./Folded";
import { field, inputOf } from "./input";
import { Labelled } from "./Labelled";
import { matches } from "./matches";
import { numbered } from "./numbered";
import { hostOf, pages, titleOf } from "./web";

/** A command, exactly as it runs. */
export function Command({ command }: { command: string }) {
  return (
    <div className="tool-command">
      <pre className="code-block" tabIndex={0}>
        <Code text={command} language="bash" />
      </pre>
      <Copy text={command} what={words.tool.command} />
    </div>
  );
}

/** What a command printed: its last lines, in its colours. */
export function Output({ text }: { text: string }) {
  const lines = useMemo(() => ansiLines(text.replace(/\s+$/, "")), [text]);
  return (
    <Labelled label={words.tool.output} copy={ansiPlain(text)}>
      <Folded
        lines={lines}
        from="end"
        draw={(line, at) => (
          // a line of output is named by its place
          <span key={at}>
            {line.map((piece, place) => (piece.look === "" ? piece.text : <span key={place} className={piece.look}>{piece.text}</span>))}
            {"\n"}
          </span>
        )}
      />
    </Labelled>
  );
}

/** A part of a file that was read, with its colours and the numbers of its lines. */
export function FilePart({ call }: { call: ToolCall }) {
  const part = useMemo(() => numbered(call.output), [call.output]);
  const path = call.locations[0]?.path ?? "";
  const shown = useShownPath();
  const lines = part?.text.split("\n") ?? [];
  const colours = useTokens(part?.text ?? "", ofPath(path));
  if (part === null) return <Output text={call.output} />;
  return (
    <Labelled label={path === "" ? words.tool.output : shown(path)} copy={part.text}>
      <Folded
        lines={lines}
        from="start"
        className="numbered"
        draw={(line, at) => (
          <span key={at} data-line={part.start + at}>
            <span>
              <Tokens line={colours?.[at]} plain={line} />
              {"\n"}
            </span>
          </span>
        )}
      />
      {part.rest === "" ? null : <p className="small soft">{part.rest.replace(/<\/?system-reminder>/g, "")}</p>}
    </Labelled>
  );
}

/** What a search has found, by file. */
export function Matches({ call }: { call: ToolCall }) {
  const found = useMemo(() => matches(call.output), [call.output]);
  if (found === null) return <Output text={call.output} />;
  if (found.length === 0) return <p className="small soft">{words.tool.noMatches}</p>;
  const rows = found.flatMap((each) => [{ path: each.path, number: 0, text: "" }, ...each.lines.map((line) => ({ path: "", ...line }))]);
  return (
    <Labelled label={words.tool.matches} copy={call.output}>
      <Folded
        lines={rows}
        from="start"
        className="matches"
        draw={(row, at) =>
          row.path === "" ? (
            <span key={at} className="match" data-line={row.number}>
              {row.text}
              {"\n"}
            </span>
          ) : (
            <span key={at} className="match-path">
              {row.path}
              {"\n"}
            </span>
          )
        }
      />
    </Labelled>
  );
}

/** What came from the web: pages by their titles and hosts, then the words. */
export function Web({ call }: { call: ToolCall }) {
  const url = field(inputOf(call.input), "url");
  const found = useMemo(() => pages(call.output), [call.output]);
  const own = hostOf(url) === null ? [] : [{ url, title: titleOf(call.output) }];
  const list = [...own, ...found.pages];
  return (
    <>
      {list.length > 0 ? (
        <ul className="pages">
          {list.map((page, at) => (
            // the same page may be found twice
            <li key={at}>
              <a href={page.url} aria-label={words.tool.page(page.title === "" ? page.url : page.title, hostOf(page.url) ?? "")} target="_blank" rel="noopener noreferrer nofollow">
                {page.title === "" ? page.url : page.title}
              </a>
              <span className="small soft">{hostOf(page.url)}</span>
            </li>
          ))}
        </ul>
      ) : null}
      {found.rest === "" ? null : (
        <div className="tool-words">
          <Markdown text={found.rest} growing={false} />
        </div>
      )}
    </>
  );
}
