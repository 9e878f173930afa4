import { useNow } from "../../app/context";
import { Mark } from "../../parts/Mark";
import { Typed } from "../../parts/Typed";
import type { AgentEntry } from "../../protocol/generated";
import { limitLines } from "../../session/limits";
import { words } from "../../words";

const SHAPES = { ready: "done", logged_out: "needs", missing: "needs", broken: "failed" } as const;

/** What is known of an agent beside what it offers, in the order to read it. */
export function about({ health }: { health?: Pick<AgentEntry["health"], "program" | "tested" | "login"> }): string[] {
  // A host of an older version does not tell it.
  if (health === undefined) return [];
  const { program, tested, login } = health;
  return [
    ...(program === null ? [] : [words.machineAgents.program(program)]),
    ...(tested === null ? [] : [words.machineAgents.tested(tested.oldest, tested.newest, tested.standing)]),
    ...(login === null ? [] : [words.machineAgents.login(login.kind, login.plan)]),
  ];
}

/** The agents of a machine: where each is, whether it is tested, how it is logged in, how much of its limits is used, and what to do when it cannot be started. */
export function Agents({ host, agents }: { host: string; agents: readonly AgentEntry[] }) {
  const now = useNow();
  if (agents.length === 0) return null;
  return (
    <ul className="house-agents" aria-label={words.machineAgents.title(host)}>
      {agents.map((agent) => (
        <li key={agent.id} className="house-agent" data-state={agent.state}>
          <span className={agent.state === "broken" ? "house-bad" : undefined}>
            <Mark shape={SHAPES[agent.state]} word={words.machineAgents.state[agent.state]} />
          </span>
          <span className="house-what">
            <span>{words.machineAgents.version(agent.name, agent.version)}</span>
            <span className="small soft">{about(agent).join(" · ")}</span>
            {limitLines(agent, now).map((limit) => (
              <span key={limit} className="small" data-limit>
                {limit}
              </span>
            ))}
            {agent.hint === null || agent.state === "ready" ? null : (
              <span className="small">
                <Typed text={words.machineAgents.next(agent.hint)} />
              </span>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
