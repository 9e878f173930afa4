import { useEffect, useRef } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { Icon } from "../../parts/Icon";
import type { Choice, PlanEntry, Session, Turn } from "../../protocol/generated";
import type { Entry } from "../../session/entries";
import { effortsOf } from "../../session/efforts";
import { limitLines } from "../../session/limits";
import { shownPath } from "../../session/places";
import { words } from "../../words";
import { asked } from "../sessions/asked";
import { useSeat } from "../sharing/useSeat";
import { Plan } from "./Item";

interface Props {
  id: string;
  session: Session;
  turns: readonly [string, Turn][];
  lines: readonly Entry[];
  close: () => void;
}

/** What is worth knowing beside the words: where it runs, with what, and what it changed. Folded until asked for. */
export function Details({ id, session, turns, lines, close }: Props) {
  const hub = useHub();
  const rows = useRows();
  const host = rows.host.get(session.host);
  const project = rows.project.get(session.project);
  const agent = host?.content.agents.find((each) => each.id === session.agent);
  const seat = useSeat(id);
  const me = useStore(hub.me);
  const shares = me?.host === null;
  const head = useRef<HTMLButtonElement>(null);
  // Once: what is said meanwhile draws this anew, and takes the focus from nobody.
  useEffect(() => head.current?.focus(), []);
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      // What lies above them closes first.
      if (event.key === "Escape" && !event.defaultPrevented && !event.isComposing && !document.querySelector("dialog[open]")) close();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [close]);
  const choose = (what: "model" | "mode" | "effort", value: string): void => {
    if (value !== (session[what] ?? "")) hub.post(session.host, { kind: "set_options", session: id, model: null, mode: null, effort: null, [what]: value });
  };
  const goesBack = agent?.abilities.includes("defaults") ?? false;
  const ran = turns.findLast(([, turn]) => turn.model !== null)?.[1].model ?? "";
  const plan = latestPlan(lines);
  const files = changed(lines);
  const used = turns.flatMap(([, turn]) => (turn.usage ? [turn.usage] : []));
  const limits = limitLines(agent, useNow());
  const cost = used.reduce((sum, usage) => sum + (usage.costMicroUsd ?? 0), 0);
  return (
    <aside className="details" aria-label={words.details.title}>
      <header className="details-head">
        <h2 className="page-title">{words.details.title}</h2>
        <button ref={head} type="button" className="button button-plain button-square" aria-label={words.close} onClick={close}>
          <Icon name="cross" />
        </button>
      </header>
      <dl className="facts">
        <dt>{words.details.machine}</dt>
        <dd>{host?.content.name ?? words.sharing.of(seat.owner, seat.host)}</dd>
        {project ? (
          <>
            <dt>{words.details.project}</dt>
            <dd>
              {project.content.name} <span className="soft small">{project.content.path}</span>
            </dd>
          </>
        ) : null}
        <dt>{words.details.agent}</dt>
        <dd>
          {agent?.name ?? words.agents[session.agent] ?? session.agent} <span className="soft small">{agent?.version}</span>
        </dd>
      </dl>
      <Option label={words.details.model} choices={agent?.models ?? []} value={session.model ?? ""} now={ran} goesBack={goesBack} choose={(value) => choose("model", value)} />
      <Option label={words.details.effort} choices={agent ? effortsOf(agent, session.model ?? "") : []} value={session.effort ?? ""} now="" goesBack={goesBack} choose={(value) => choose("effort", value)} />
      <Option label={words.details.mode} choices={agent?.modes ?? []} value={session.mode ?? ""} now="" goesBack={false} choose={(value) => choose("mode", value)} />
      {plan ? <Plan entries={plan} /> : null}
      {files.length > 0 ? (
        <section>
          <h3 className="field-label">{words.details.files}</h3>
          <ul className="files">
            {files.map((path) => (
              <li key={path} title={path}>{shownPath(path, project?.content.path ?? "")}</li>
            ))}
          </ul>
        </section>
      ) : null}
      {used.length > 0 ? (
        <section>
          <h3 className="field-label">{words.details.usage}</h3>
          <p className="small">
            {words.details.tokens(
              used.reduce((sum, usage) => sum + usage.inputTokens + usage.cachedTokens, 0),
              used.reduce((sum, usage) => sum + usage.outputTokens, 0),
            )}
          </p>
          {cost > 0 ? <p className="small soft">{words.details.cost(`$${(cost / 1e6).toFixed(2)}`)}</p> : null}
        </section>
      ) : null}
      {limits.length > 0 ? (
        <section>
          <h3 className="field-label">{words.limits.title}</h3>
          {limits.map((limit) => (
            <p key={limit} className="small" data-limit>
              {limit}
            </p>
          ))}
        </section>
      ) : null}
      <button type="button" className="button button-wide" aria-haspopup="dialog" onClick={() => asked.set(id)}>
        {seat.role !== "owner" ? words.sharing.managePart : shares ? words.sharing.manageOwn : words.actions.manage}
      </button>
    </aside>
  );
}

/** `goesBack`: what was chosen can be left to the agent again; an agent that calls a choice of its own so has that one for it. */
function Option({ label, choices, value, now, goesBack, choose }: { label: string; choices: readonly Choice[]; value: string; now: string; goesBack: boolean; choose: (value: string) => void }) {
  if (choices.length === 0) return null;
  const leaves = value !== "" && goesBack && choices.every((choice) => choice.id !== "default");
  return (
    <label className="field">
      <span className="field-label">{label}</span>
      <select className="input" value={value} onChange={(event) => choose(event.target.value)}>
        {leaves ? <option value="">{words.details.byDefault("")}</option> : null}
        {choices.some((choice) => choice.id === value) ? null : <option value={value}>{words.details.byDefault(choices.find((choice) => choice.id === now)?.name ?? now)}</option>}
        {choices.map((choice) => (
          <option key={choice.id} value={choice.id}>
            {choice.name}
          </option>
        ))}
      </select>
    </label>
  );
}

function latestPlan(lines: readonly Entry[]): PlanEntry[] | null {
  const line = lines.findLast((each) => each.kind === "item" && each.item.content.kind === "plan");
  return line?.kind === "item" && line.item.content.kind === "plan" ? line.item.content.entries : null;
}

/** Files that settled edits have changed, in the order of their first change, among what is loaded. */
function changed(lines: readonly Entry[]): string[] {
  const paths = lines.flatMap((line) =>
    line.kind === "item" && line.item.status === "done" && line.item.content.kind === "tool_call" ? line.item.content.diffs.map((edit) => edit.path) : [],
  );
  return [...new Set(paths)];
}
