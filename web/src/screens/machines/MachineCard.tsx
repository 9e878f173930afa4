import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { lineFor } from "../../machines/queue";
import { seen, shapeOf, standing } from "../../machines/standing";
import { Link } from "../../parts/Link";
import { Mark } from "../../parts/Mark";
import { Typed } from "../../parts/Typed";
import type { AgentEntry, Host, Session } from "../../protocol/generated";
import { words } from "../../words";
import { ago, since } from "../../words/time";
import { Agents } from "../devices/Agents";
import { Confirm } from "../devices/Confirm";
import { RemoteAccess } from "../devices/RemoteAccess";

interface Props {
  id: string;
  host: Host;
  /** What it is called here, where others may have the same name. */
  name: string;
  live: boolean;
  now: number;
}

/** One machine: how it stands and why, when it was last seen, what runs and waits there, and its projects and agents. */
export function MachineCard({ id, host, name, live, now }: Props) {
  const hub = useHub();
  const rows = useRows();
  const me = useStore(hub.me);
  const own = id === me?.host;
  const several = rows.host.size > 1;
  const how = standing(host, live);
  const projects = [...rows.project.values()].filter((project) => project.host === id).sort((a, b) => a.content.name.localeCompare(b.content.name));
  const running = [...rows.session].filter(([, session]) => session.host === id && runs(session)).sort((a, b) => b[1].updatedAtMs - a[1].updatedAtMs);
  const waiting = lineFor(id, rows).length;
  const manages = me?.about.rights.includes("manage") ?? false;
  return (
    <li className="machine" data-host={id} data-standing={how}>
      <header className="machine-head">
        <h3 className="machine-name">{name}</h3>
        <span className="machine-state small">
          <Mark shape={shapeOf(how)} />
          {words.machines.state(how)}
        </span>
        {/* What runs in the hub's own program cannot be cut off from it. */}
        {manages && !own && how !== "revoked" ? (
          <Confirm button={words.machines.remove} label={words.machines.removeLabel(name)} title={words.machines.removeTitle(name)} texts={[words.machines.removeText]} yes={words.machines.remove} act={() => hub.api.revoke(id)} />
        ) : null}
      </header>
      <p className="small soft">{[host.content.platform, words.machines.version(host.content.version), ...(several && own ? [words.machines.here] : []), ...(seen(how) ? [words.machines.seen(since(host.seenAtMs, now))] : [])].join(" · ")}</p>
      {how === "online" ? null : (
        <p className="small machine-why">
          <Typed text={words.machines.reason(how, since(host.seenAtMs, now))} />
        </p>
      )}
      {waiting > 0 ? <p className="small">{words.machines.waiting(waiting)}</p> : null}
      {own ? <RemoteAccess state={host.remoteAccess} /> : null}
      {running.length > 0 && how !== "unknown" ? (
        <section className="machine-part">
          <h4 className="field-label">{words.machines.running}</h4>
          <ul className="machine-list">
            {running.map(([session, row]) => (
              <li key={session}>
                <Link to={{ screen: "session", session }} className="machine-session">
                  <Mark shape={row.activity === "needs_input" ? "needs" : "working"} word={row.activity === "needs_input" ? words.sessions.states.needs : words.sessions.states.working} />
                  <span className="machine-title">{row.content.title || words.sessions.untitled}</span>
                  <span className="small soft">{ago(row.updatedAtMs, now)}</span>
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      {several ? (
        <section className="machine-part">
          <h4 className="field-label">{words.machines.projects}</h4>
          <p className="small">{projects.length === 0 ? words.machines.noProjects : projects.map((project) => (project.available ? project.content.name : words.machines.missingProject(project.content.name))).join(", ")}</p>
        </section>
      ) : null}
      {several && host.content.agents.length > 0 ? (
        <details className="machine-agents">
          <summary className="small">{agentsLine(host.content.agents)}</summary>
          <Agents host={name} agents={host.content.agents} />
        </details>
      ) : (
        <Agents host={name} agents={host.content.agents} />
      )}
    </li>
  );
}

/** Those that can be started, by name, and how many cannot. */
function agentsLine(agents: readonly AgentEntry[]): string {
  const ready = agents.filter((agent) => agent.state === "ready").map((agent) => agent.name);
  const rest = agents.length - ready.length;
  return words.machines.agents(ready.join(", "), rest);
}

function runs(session: Session): boolean {
  return session.activity === "working" || session.activity === "needs_input" || session.activity === "starting" || session.backgroundTasks > 0;
}
