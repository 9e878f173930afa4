import { useMemo, useState } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { recent } from "../../machines/queue";
import { byName, names } from "../../machines/standing";
import { seatOf } from "../../session/participants";
import { Page } from "../../parts/Page";
import { words } from "../../words";
import { CommandRow } from "./CommandRow";
import "../devices/devices.css";
import "./commands.css";

/** How many are shown at first, and how many more each time. */
const PAGE = 30;

/** What was sent to the machines lately: who sent it, what became of it, and what can still be done about it. */
export function Commands() {
  const hub = useHub();
  const rows = useRows();
  const now = useNow(5_000);
  const me = useStore(hub.me);
  const own = me?.host ?? null;
  const account = me?.account ?? null;
  const [chosen, setChosen] = useState("");
  const [most, setMost] = useState(PAGE);
  const called = names(rows.host);
  const host = rows.host.has(chosen) ? chosen : "";
  const shown = useMemo(() => recent(rows, host, most + 1), [rows, host, most]);
  return (
    <Page title={words.commands.title}>
      <div className="house">
        {rows.host.size > 1 ? (
          <label className="field">
            <span className="field-label">{words.commands.filter}</span>
            <select className="input" value={host} onChange={(event) => setChosen(event.target.value)}>
              <option value="">{words.commands.all}</option>
              {byName(rows.host, own).map(([id]) => (
                <option key={id} value={id}>
                  {called.get(id)}
                </option>
              ))}
            </select>
          </label>
        ) : null}
        {rows.ready && shown.length === 0 ? <p className="soft">{words.commands.empty}</p> : null}
        <ul className="house-list">
          {shown.slice(0, most).map(([id, command]) => (
            <CommandRow key={id} id={id} command={command} host={called.get(command.host) || seatOf(command.session, rows, account).host || words.commands.removedMachine} several={rows.host.size > 1 || seatOf(command.session, rows, account).host !== ""} now={now} />
          ))}
        </ul>
        {shown.length > most ? (
          <button type="button" className="button button-wide" onClick={() => setMost(most + PAGE)}>
            {words.commands.more}
          </button>
        ) : null}
      </div>
    </Page>
  );
}
