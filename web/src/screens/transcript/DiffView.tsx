import { memo, useMemo } from "react";
import type { Diff } from "../../protocol/generated";
import { counts, diff, hunks } from "../../session/diff";
import { words } from "../../words";

/** An edit of one file, by line; `whole` leaves nothing out between the changes. */
export const DiffView = memo(function DiffView({ edit, whole = false }: { edit: Diff; whole?: boolean }) {
  const lines = useMemo(() => diff(edit.oldText ?? "", edit.newText), [edit]);
  const count = lines === null ? null : counts(lines);
  return (
    <figure className="diff">
      <figcaption className="diff-path">
        <span>{edit.path}</span>
        {edit.oldText === null ? <span className="soft"> {words.tool.newFile}</span> : null}
        {count ? <span className="unseen">{words.tool.changes(count.added, count.removed)}</span> : null}
      </figcaption>
      {lines === null ? (
        <>
          <p className="small soft">{words.tool.diffTooLong}</p>
          <pre className="code-block" tabIndex={0}>{edit.newText}</pre>
        </>
      ) : (
        <pre className="code-block diff-lines" tabIndex={0}>
          {(whole ? lines : hunks(lines)).map((line, at) => (
            // a line of a comparison is named by its place
            <span key={at} className={line === null ? "diff-gap" : line.sign === "+" ? "diff-added" : line.sign === "-" ? "diff-removed" : "diff-same"}>
              {line === null ? "⋯" : `${line.sign} ${line.text}`}
              {"\n"}
            </span>
          ))}
        </pre>
      )}
    </figure>
  );
});
