import { memo, useMemo } from "react";
import { Tokens } from "../../parts/code/Tokens";
import { ofPath } from "../../parts/code/language";
import { useTokens } from "../../parts/code/useTokens";
import type { Diff } from "../../protocol/generated";
import { type DiffLine, counts, diff, hunks } from "../../session/diff";
import { words } from "../../words";
import { useShownPath } from "./ProjectPath";
import { Folded } from "./tool/Folded";

/** Lines of a change that are shown before all are asked for. */
const FIRST_LINES = 200;

const CLASSES = { "+": "diff-added", "-": "diff-removed", " ": "diff-same" } as const;

/** An edit of one file, by line; `whole` leaves nothing out between the changes and of its path, and folds nothing. */
export const DiffView = memo(function DiffView({ edit, whole = false }: { edit: Diff; whole?: boolean }) {
  const shown = useShownPath();
  const lines = useMemo(() => diff(edit.oldText ?? "", edit.newText), [edit]);
  const count = lines === null ? null : counts(lines);
  return (
    <figure className="diff">
      <figcaption className="diff-path">
        <span title={edit.path}>{whole ? edit.path : shown(edit.path)}</span>
        {edit.oldText === null ? <span className="soft"> {words.tool.newFile}</span> : null}
        {count ? <span className="unseen">{words.tool.changes(count.added, count.removed)}</span> : null}
      </figcaption>
      {lines === null ? (
        <>
          <p className="small soft">{words.tool.diffTooLong}</p>
          <Folded lines={edit.newText.split("\n")} from="start" whole={whole} />
        </>
      ) : (
        <Changes edit={edit} lines={whole ? lines : hunks(lines)} whole={whole} />
      )}
    </figure>
  );
});

function Changes({ edit, lines, whole }: { edit: Diff; lines: readonly (DiffLine | null)[]; whole: boolean }) {
  const language = ofPath(edit.path);
  const before = useTokens(edit.oldText ?? "", language);
  const after = useTokens(edit.newText, language);
  const draw = (line: DiffLine | null, at: number) =>
    line === null ? (
      // a line of a comparison is named by its place
      <span key={at} className="diff-gap">
        {"⋯\n"}
      </span>
    ) : (
      <span key={at} className={CLASSES[line.sign]}>
        <span className="diff-sign">{line.sign}</span>
        <Tokens line={(line.sign === "-" ? before : after)?.[line.at]} plain={line.text} />
        {"\n"}
      </span>
    );
  return <Folded lines={lines} from="start" whole={whole} first={FIRST_LINES} className="diff-lines" draw={draw} />;
}
