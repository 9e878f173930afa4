import { type FormEvent, useEffect, useId, useState } from "react";
import { useHub } from "../../app/context";
import { ApiError } from "../../hub/api";
import { copyText } from "../../parts/clipboard";
import type { InvitationOffer, ParticipantRole, SessionInvitation } from "../../protocol/generated";
import { words } from "../../words";
import { clock } from "../../words/time";
import { loopback } from "../devices/loopback";
import { Qr } from "../devices/Qr";
import { Roles } from "./Roles";

/** A link that was just made, and what it is for. */
interface Made {
  offer: InvitationOffer;
  role: ParticipantRole;
  trusted: boolean;
}

/** Makes a link to a chat and shows it, which nothing and nobody can do a second time. Nothing is chosen before that lets anybody run anything unasked. */
export function ShareLink({ session, made, open }: { session: string; made: () => void; open: readonly SessionInvitation[] }) {
  const hub = useHub();
  const about = useId();
  const [role, setRole] = useState<ParticipantRole>("viewer");
  const [shown, setShown] = useState<Made | null>(null);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState("");
  const [seen, setSeen] = useState(false);
  // One that was used or taken back is over; the lists may not have it yet when it is new.
  const listed = shown !== null && open.some((each) => each.invitation === shown.offer.invitation);
  useEffect(() => {
    if (listed) setSeen(true);
    else if (seen) {
      setShown(null);
      setSeen(false);
    }
  }, [listed, seen]);
  const make = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    setFailed("");
    hub.api
      .share(session, { role, trusted: false })
      .then(
        (offer) => {
          setShown({ offer, role, trusted: false });
          setSeen(false);
          made();
        },
        (error: unknown) => setFailed(error instanceof ApiError ? words.actions.failedBecause(words.people.refused(error.problem)) : words.actions.failed),
      )
      .finally(() => setBusy(false));
  };
  if (shown) return <Shown made={shown} close={() => setShown(null)} />;
  return (
    <form className="sharing-invite" onSubmit={make}>
      <div>
        <h3>{words.sharing.invite}</h3>
        <p className="small soft" id={about}>
          {words.sharing.inviteAbout}
        </p>
      </div>
      <Roles label={words.sharing.as} role={role} busy={busy} choose={setRole} />
      <p className="small soft">{role === "viewer" ? words.sharing.viewerAbout : words.sharing.editorAbout}</p>
      {failed === "" ? null : (
        <p className="small house-bad" role="alert">
          {failed}
        </p>
      )}
      <button type="submit" className="button button-primary button-wide" disabled={busy} aria-describedby={about}>
        {words.sharing.make}
      </button>
    </form>
  );
}

function Shown({ made: { offer, role, trusted }, close }: { made: Made; close: () => void }) {
  const hub = useHub();
  const [copied, setCopied] = useState(false);
  // Behind the `#`, where no server and no log sees it.
  const link = `${location.origin}/share#${offer.link.secret}`;
  return (
    <div className="offer" role="status">
      <p>{words.sharing.shown}</p>
      {loopback(location.hostname) ? <p className="small">{words.people.loopback}</p> : <Qr text={link} label={words.sharing.qr} />}
      <code className="invite-link">{link}</code>
      <button type="button" className="button button-primary button-wide" onClick={() => void copyText(link).then(setCopied)}>
        {copied ? words.copied : words.people.copy}
      </button>
      <p className="small soft">{words.sharing.once(role, trusted, clock(offer.link.expiresAtMs, hub.now()))}</p>
      <button type="button" className="button button-wide" onClick={close}>
        {words.people.done}
      </button>
    </div>
  );
}
