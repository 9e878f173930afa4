import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { byName, names } from "../../machines/standing";
import { Link } from "../../parts/Link";
import { words } from "../../words";
import { MachineCard } from "./MachineCard";
import { NoMachine } from "./NoMachine";
import "./machines.css";

/** The machines that run agents: each with its true state, and what is on it. */
export function Machines({ now }: { now: number }) {
  const rows = useRows();
  const hub = useHub();
  const me = useStore(hub.me);
  const live = useStore(hub.socket.connection).state === "live";
  if (rows.ready && rows.host.size === 0) return <NoMachine />;
  if (rows.host.size === 0) return null;
  const called = names(rows.host);
  return (
    <section className="house-part" aria-labelledby="machines">
      <h2 id="machines">{words.machines.title}</h2>
      <ul className="machines">
        {byName(rows.host, me?.host ?? null).map(([id, host]) => (
          <MachineCard key={id} id={id} host={host} name={called.get(id) ?? ""} live={live} now={now} />
        ))}
      </ul>
      <Link to={{ screen: "commands" }} className="button button-wide">
        {words.commands.link}
      </Link>
    </section>
  );
}
