import { useCallback, useEffect, useId, useMemo, useRef } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { participantsOf } from "../../session/participants";
import { words } from "../../words";
import { clock } from "../../words/time";
import { Confirm } from "../devices/Confirm";
import { sharing } from "../sessions/asked";
import { Person } from "./Person";
import { ShareLink } from "./ShareLink";
import { OpenLinks } from "./lists";
import { useSeat } from "./useSeat";
import "../devices/devices.css";
import "../people/people.css";
import "../sessions/actions.css";
import "./sharing.css";

/** How often the open links are fetched anew while the page is visible, in milliseconds. */
const LOOK_MS = 10_000;

/** Who takes part in a chat; for its owner also what they may do, and the ways to invite somebody. */
export function Sharing({ id }: { id: string }) {
  const rows = useRows();
  const seat = useSeat(id);
  const account = useStore(useHub().me)?.account ?? "";
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const box = dialog.current;
    box?.showModal();
    return () => box?.close();
  }, []);
  const people = participantsOf(id, rows);
  const owns = seat.role === "owner";
  const session = rows.session.get(id);
  const host = rows.host.get(session?.host ?? "")?.content.name ?? "";
  // The end of a question that stands in it is told to it, too.
  return (
    <dialog ref={dialog} className="sheet sharing" aria-labelledby={heading} onClose={(event) => (event.target === dialog.current ? sharing.set(null) : undefined)} onClick={(event) => (event.target === dialog.current ? dialog.current?.close() : undefined)}>
      <div className="sheet-body">
        <h2 id={heading} tabIndex={-1} className="sheet-title">
          {words.sharing.title(session?.content.title || words.sessions.untitled)}
        </h2>
        {owns && people.length === 0 ? <p className="soft">{words.sharing.alone}</p> : null}
        {owns && people.length === 0 ? null : (
          <ul className="sharing-people">
            {owns ? null : (
              <li className="sharing-person">
                <div className="sharing-head">
                  <span className="sharing-who">
                    <span className="sharing-name">{seat.owner || words.sharing.unnamed}</span>
                    <span className="small soft">{words.sharing.owner}</span>
                  </span>
                </div>
              </li>
            )}
            {people.map((each) => (
              <Person key={each.account} person={each} own={each.account === account} owns={owns} host={host} />
            ))}
          </ul>
        )}
        {owns ? <Links session={id} /> : null}
        <button type="button" className="button button-wide" onClick={() => dialog.current?.close()}>
          {words.close}
        </button>
      </div>
    </dialog>
  );
}

/** The links that nobody has used, and the way to make one. */
function Links({ session }: { session: string }) {
  const hub = useHub();
  const now = useNow();
  const links = useMemo(() => new OpenLinks(hub.api, session), [hub, session]);
  const look = useCallback(() => links.look(), [links]);
  const { invitations, failed } = useStore(links.shown);
  // Whoever joins takes a link along: then it is looked at once.
  const { participant } = useRows();
  useEffect(() => {
    void look();
    const timer = setInterval(() => (document.visibilityState === "visible" ? void look() : undefined), LOOK_MS);
    return () => clearInterval(timer);
  }, [look, participant]);
  return (
    <>
      {failed ? (
        <p className="small house-bad" role="alert">
          {words.sharing.failed}
        </p>
      ) : null}
      {invitations.length === 0 ? null : (
        <section className="sharing-part">
          <h3>{words.sharing.open}</h3>
          <ul className="sharing-people" aria-label={words.sharing.open}>
            {invitations.map((each) => {
              const [what, until] = [words.sharing.openAs(each.role, each.trusted), clock(each.expiresAtMs, now)];
              return (
                <li key={each.invitation} className="sharing-person" data-invitation={each.invitation}>
                  <div className="sharing-head">
                    <span className="sharing-who">
                      <span className="sharing-name">{what}</span>
                      <span className="small soft">{words.sharing.until(until)}</span>
                    </span>
                    <Confirm
                      button={words.sharing.withdraw}
                      label={words.sharing.withdrawLabel(what, until)}
                      title={words.sharing.withdrawTitle}
                      texts={[words.sharing.withdrawText]}
                      yes={words.sharing.withdraw}
                      act={() => hub.api.unshare(session, each.invitation).then(look)}
                    />
                  </div>
                </li>
              );
            })}
          </ul>
        </section>
      )}
      <ShareLink session={session} made={() => void look()} open={invitations} />
    </>
  );
}
