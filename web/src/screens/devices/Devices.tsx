import { useCallback, useEffect, useMemo, useState } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import { ApiError } from "../../hub/api";
import { useStore } from "../../hub/store";
import { Link } from "../../parts/Link";
import { Page } from "../../parts/Page";
import type { Device } from "../../protocol/generated";
import { edits } from "../../session/edits";
import { words } from "../../words";
import { ago } from "../../words/time";
import { Machines } from "../machines/Machines";
import { People } from "../people/People";
import { Claims } from "../sessions/Claims";
import { Accept } from "./Accept";
import { Audit } from "./Audit";
import { Confirm } from "./Confirm";
import { Install } from "./Install";
import { Offer } from "./Offer";
import { Rules } from "./Rules";
import "./devices.css";

/** How often to look which devices are connected, while the page is visible, in milliseconds. */
const LOOK_MS = 10_000;

/** Who may come in: this device, the others, how to add one, and what was done. */
export function Devices() {
  const hub = useHub();
  const me = useStore(hub.me);
  const rows = useRows();
  const now = useNow();
  const connected = useConnected();
  const keys = useStore(hub.keys);
  const manages = me?.about.rights.includes("manage") ?? false;
  const others = useMemo(
    () => [...rows.device].filter(([id, device]) => id !== me?.device && device.account === me?.account && device.revokedAtMs === null && device.kind !== "node").sort((a, b) => b[1].createdAtMs - a[1].createdAtMs),
    [rows.device, me],
  );
  const here = me ? (rows.device.get(me.device) ?? me.about) : null;
  return (
    <Page title={words.devices.title}>
      <div className="house">
        <Link to={{ screen: "health" }} className="button button-wide">
          {words.health.link}
        </Link>
        {me && here ? (
          <section className="house-part" aria-labelledby="this-device">
            <h2 id="this-device">{words.devices.here}</h2>
            <ul className="house-list">
              <Row device={here} note={words.devices.thisOne} now={now}>
                <Confirm
                  button={words.devices.signOut}
                  title={words.devices.signOutTitle}
                  texts={[words.devices.signOutText, ...(hub.drafts.all().length > 0 || edits.all(hub.kept).length > 0 || hub.sent.get().size > 0 ? [words.devices.signOutWords] : [])]}
                  yes={words.devices.signOut}
                  act={async () => {
                    await hub.api.logout();
                    hub.unpair();
                  }}
                />
              </Row>
            </ul>
          </section>
        ) : null}
        <section className="house-part" aria-labelledby="other-devices">
          <h2 id="other-devices">{words.devices.others}</h2>
          {others.length === 0 ? <p className="soft">{words.devices.noOthers}</p> : null}
          <ul className="house-list">
            {others.map(([id, device]) => (
              <Row key={id} device={device} note={connected === null ? "" : connected.has(id) ? words.devices.connected : words.devices.notConnected} live={connected?.has(id) ?? false} now={now}>
                {manages ? (
                  <Confirm
                    button={words.devices.remove}
                    label={words.devices.removeLabel(device.content.name)}
                    title={words.devices.removeTitle(device.content.name)}
                    texts={[words.devices.removeText]}
                    yes={words.devices.remove}
                    act={() => hub.api.revoke(id)}
                  />
                ) : null}
              </Row>
            ))}
          </ul>
          {manages ? <Offer /> : null}
          {manages ? <Accept /> : null}
          <div className="house-claims">
            <Claims />
          </div>
        </section>
        <Machines now={now} />
        <People now={now} />
        <Rules now={now} />
        <section className="house-part" aria-labelledby="keyboard">
          <h2 id="keyboard">{words.keys.section}</h2>
          <label className="house-row house-check">
            <input type="checkbox" checked={keys} onChange={(event) => hub.setKeys(event.target.checked)} />
            {words.keys.single}
          </label>
        </section>
        <Install />
        {manages ? <Audit now={now} /> : null}
      </div>
    </Page>
  );
}

function Row({ device, note, live = false, now, children }: { device: Device; note: string; live?: boolean; now: number; children: React.ReactNode }) {
  const about = [note, device.content.platform, words.devices.since(ago(device.createdAtMs, now))].filter((part) => part !== "");
  return (
    <li className="house-row">
      <span className="house-what">
        <span className="house-name">
          {device.content.name}
          {live ? <span className="house-dot" aria-hidden="true" /> : null}
        </span>
        <span className="small soft">{about.join(" · ")}</span>
      </span>
      {children}
    </li>
  );
}

/** Which devices have a live connection; null while nobody here knows. */
function useConnected(): ReadonlySet<string> | null {
  const hub = useHub();
  const { device } = useRows();
  const [connected, setConnected] = useState<ReadonlySet<string> | null>(null);
  const look = useCallback(() => {
    if (document.visibilityState !== "visible") return;
    hub.api.devices().then(
      (list) => setConnected(new Set(list.devices.filter((each) => each.connected).map((each) => each.device))),
      (error: unknown) => {
        if (!(error instanceof ApiError)) setConnected(null);
      },
    );
  }, [hub]);
  useEffect(() => {
    look();
    const timer = setInterval(look, LOOK_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [look, device]);
  return connected;
}
