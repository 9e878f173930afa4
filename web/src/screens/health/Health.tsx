import { useCallback, useEffect, useState } from "react";
import { useHub, useNow } from "../../app/context";
import { ApiError } from "../../hub/api";
import { Mark } from "../../parts/Mark";
import { Page } from "../../parts/Page";
import { Typed } from "../../parts/Typed";
import { Written } from "../../parts/Written";
import type { Finding, HealthReport } from "../../protocol/generated";
import { words } from "../../words";
import { ago } from "../../words/time";
import "../devices/devices.css";

type State = { at: "checking" } | { at: "checked"; report: HealthReport } | { at: "failed"; why: "old" | "forbidden" | "unreachable" };

const RANK = { problem: 0, warning: 1, ok: 2 } as const;

/** What `towline doctor` finds on the machine, each with its next step. */
export function Health() {
  const hub = useHub();
  const now = useNow();
  const [state, setState] = useState<State>({ at: "checking" });
  const check = useCallback(() => {
    setState({ at: "checking" });
    hub.api.health().then(
      (report) => setState({ at: "checked", report }),
      (error: unknown) => {
        const status = error instanceof ApiError ? error.problem.status : 0;
        setState({ at: "failed", why: status === 404 ? "old" : status === 403 ? "forbidden" : "unreachable" });
      },
    );
  }, [hub]);
  useEffect(check, [check]);
  return (
    <Page title={words.health.title}>
      <div className="house">
        <p role="status" className="soft">
          {state.at === "checking" ? words.health.checking : state.at === "checked" ? `${summary(state.report.findings)} ${words.health.checkedAt(ago(state.report.checkedAtMs, now))}` : ""}
        </p>
        {state.at === "checked" ? (
          <ul className="house-list">
            {[...state.report.findings]
              .sort((a, b) => RANK[a.level] - RANK[b.level])
              .map((finding) => (
                <Row key={finding.id} finding={finding} />
              ))}
          </ul>
        ) : null}
        {state.at === "failed" ? (
          <Written title={words.health.failedTitle} text={words.health.failed[state.why]} line="broken">
            {state.why === "old" ? <code className="command">{words.health.command}</code> : null}
          </Written>
        ) : null}
        {state.at === "checking" || (state.at === "failed" && state.why !== "unreachable") ? null : (
          <button type="button" className="button button-wide" onClick={check}>
            {words.health.again}
          </button>
        )}
      </div>
    </Page>
  );
}

function Row({ finding }: { finding: Finding }) {
  const { level, title, detail, next } = finding;
  return (
    <li className={`house-row finding-${level}`} data-level={level}>
      <span className={level === "problem" ? "house-bad" : undefined}>
        <Mark shape={level === "ok" ? "done" : level === "warning" ? "needs" : "failed"} word={words.health.levels[level]} />
      </span>
      <span className="house-what">
        <span className={level === "ok" ? undefined : "house-name"}>{title}</span>
        {detail === null ? null : <span className="small soft">{detail}</span>}
        {next === null ? null : <span className="small"><Typed text={words.health.next(next)} /></span>}
      </span>
    </li>
  );
}

function summary(findings: readonly Finding[]): string {
  const problems = findings.filter((finding) => finding.level === "problem").length;
  const warnings = findings.filter((finding) => finding.level === "warning").length;
  return words.health.summary(problems, warnings);
}
