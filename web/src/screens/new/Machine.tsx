import { useRows } from "../../app/context";
import { KEEPS } from "../../machines/queue";
import { aged, names, shapeOf, standing } from "../../machines/standing";
import { Mark } from "../../parts/Mark";
import { Typed } from "../../parts/Typed";
import type { Host } from "../../protocol/generated";
import { words } from "../../words";
import { ago, since } from "../../words/time";

/** Up to how many machines are listed; more of them would push the message off the screen. */
const LISTED = 5;

/** Which machine: each with its true state, and those that sleep can be chosen too. */
export function MachineChoice({ hosts, chosen, choose, live, now }: { hosts: readonly [string, Host][]; chosen: string; choose: (id: string) => void; live: boolean; now: number }) {
  const called = names(useRows().host);
  const word = (host: Host): string => {
    const how = standing(host, live);
    return `${words.machines.state(how)} ${aged(how) ? ago(host.seenAtMs, now) : ""}`.trim();
  };
  if (hosts.length > LISTED) {
    return (
      <label className="field">
        <span className="field-label">{words.target.machine}</span>
        <select className="input" value={chosen} onChange={(event) => choose(event.target.value)}>
          {hosts.map(([id, host]) => (
            <option key={id} value={id}>
              {words.target.option(called.get(id) ?? "", word(host))}
            </option>
          ))}
        </select>
      </label>
    );
  }
  return (
    <fieldset className="field">
      <legend className="field-label">{words.target.machine}</legend>
      <div className="choices">
        {hosts.map(([id, host]) => (
          <label key={id} className="choice">
            <input type="radio" name="machine" value={id} checked={id === chosen} onChange={() => choose(id)} />
            <span className="choice-name">{called.get(id)}</span>
            <span className="choice-note choice-state">
              <Mark shape={shapeOf(standing(host, live))} />
              {word(host)}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Of a machine that is away: that the message waits for it, why, and for how long it may. */
export function KeepChoice({ host, name, live, now, keep, choose }: { host: Host; name: string; live: boolean; now: number; keep: number; choose: (ms: number) => void }) {
  const how = standing(host, live);
  return (
    <div className="keep">
      <p className="small" role="status">
        {words.target.waits(name)}{" "}
        <span className="soft">
          <Typed text={words.machines.reason(how, since(host.seenAtMs, now))} />
        </span>
      </p>
      <label className="keep-for">
        <span className="field-label">{words.target.keep}</span>
        <select className="input" value={String(keep)} onChange={(event) => choose(Number(event.target.value))}>
          {KEEPS.map((ms) => (
            <option key={ms} value={ms}>
              {words.target.ages[String(ms)]}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
