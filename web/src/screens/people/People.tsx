import { useCallback, useEffect, useMemo } from "react";
import { useHub } from "../../app/context";
import { useStore } from "../../hub/store";
import type { Account } from "../../protocol/generated";
import { words } from "../../words";
import { clock, since } from "../../words/time";
import { Confirm } from "../devices/Confirm";
import { Invite } from "./Invite";
import { PeopleLists } from "./lists";
import "./people.css";

/** How often the lists are fetched anew while the page is visible, in milliseconds: they are in no stream. */
const LOOK_MS = 10_000;

/** Who has an account on this hub, and who is invited; for its owner alone. */
export function People({ now }: { now: number }) {
  const hub = useHub();
  const me = useStore(hub.me);
  const may = (me?.invites ?? false) && (me?.about.rights.includes("manage") ?? false);
  return may ? <Lists now={now} own={me?.account ?? ""} /> : null;
}

function Lists({ now, own }: { now: number; own: string }) {
  const hub = useHub();
  const lists = useMemo(() => new PeopleLists(hub.api), [hub]);
  const look = useCallback(() => lists.look(), [lists]);
  const { accounts, invitations, failed } = useStore(lists.shown);
  useEffect(() => {
    void look();
    const timer = setInterval(() => (document.visibilityState === "visible" ? void look() : undefined), LOOK_MS);
    return () => clearInterval(timer);
  }, [look]);
  const name = (each: { name: string | null }): string => each.name || words.people.unnamed;
  const about = (each: Account): string => {
    const seen = each.seenAtMs === null ? words.people.never : words.people.seen(since(each.seenAtMs, now));
    return [each.owner ? words.people.owner : "", words.people.devices(each.devices), words.people.room(each.bytes), seen].filter((part) => part !== "").join(" · ");
  };
  return (
    <section className="house-part" aria-labelledby="people">
      <h2 id="people">{words.people.title}</h2>
      <p className="small soft">{words.people.about}</p>
      {failed ? (
        <p className="small house-bad" role="alert">
          {words.people.failed}
        </p>
      ) : null}
      <ul className="house-list" aria-label={words.people.accounts}>
        {accounts.map((each) => (
          <li key={each.account} className="house-row" data-account={each.account}>
            <span className="house-what">
              <span className="house-name">{each.account === own ? words.people.you(each.name) : name(each)}</span>
              <span className="small soft">{about(each)}</span>
            </span>
            {each.owner ? null : (
              <Confirm
                button={words.people.close}
                label={words.people.closeLabel(name(each))}
                title={words.people.closeTitle(name(each))}
                texts={[words.people.closeText(each.devices, words.people.room(each.bytes)), words.people.closeStays]}
                yes={words.people.closeYes}
                act={() => hub.api.closeAccount(each.account).then(look)}
              />
            )}
          </li>
        ))}
      </ul>
      {invitations.length === 0 ? null : <h3 className="small soft people-open">{words.people.open}</h3>}
      <ul className="house-list" aria-label={words.people.open}>
        {invitations.map((each) => (
          <li key={each.invitation} className="house-row" data-invitation={each.invitation}>
            <span className="house-what">
              <span className="house-name">{name(each)}</span>
              <span className="small soft">{words.people.until(clock(each.expiresAtMs, now))}</span>
            </span>
            <Confirm
              button={words.people.revoke}
              label={words.people.revokeLabel(name(each))}
              title={words.people.revokeTitle(name(each))}
              texts={[words.people.revokeText]}
              yes={words.people.revoke}
              act={() => hub.api.uninvite(each.invitation).then(look)}
            />
          </li>
        ))}
      </ul>
      <Invite made={() => void look()} open={invitations} />
    </section>
  );
}
