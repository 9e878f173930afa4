import { type FormEvent, useEffect, useState } from "react";
import { useHub } from "../../app/context";
import { ApiError } from "../../hub/api";
import { copyText } from "../../parts/clipboard";
import type { Invitation, InvitationOffer } from "../../protocol/generated";
import { words } from "../../words";
import { clock } from "../../words/time";
import { loopback } from "../devices/loopback";
import { Qr } from "../devices/Qr";

/** Makes an invitation and shows its link, which nothing and nobody can show a second time. */
export function Invite({ made, open }: { made: () => void; open: readonly Invitation[] }) {
  const hub = useHub();
  const [offer, setOffer] = useState<InvitationOffer | null>(null);
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState("");
  const [seen, setSeen] = useState(false);
  // One that was used or taken back is over; the lists may not have it yet when it is new.
  const listed = offer !== null && open.some((each) => each.invitation === offer.invitation);
  useEffect(() => {
    if (listed) setSeen(true);
    else if (seen) {
      setOffer(null);
      setSeen(false);
    }
  }, [listed, seen]);
  const make = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    setFailed("");
    hub.api
      .invite({ name: name.trim() === "" ? null : name.trim() })
      .then(
        (fresh) => {
          setOffer(fresh);
          setSeen(false);
          setName("");
          made();
        },
        (error: unknown) => setFailed(error instanceof ApiError ? words.actions.failedBecause(words.people.refused(error.problem)) : words.actions.failed),
      )
      .finally(() => setBusy(false));
  };
  if (offer) return <Shown offer={offer} close={() => setOffer(null)} />;
  return (
    <form className="invite" onSubmit={make}>
      <label className="field">
        <span className="field-label">{words.people.name}</span>
        <input className="input" value={name} placeholder={words.people.nameEmpty} maxLength={120} autoComplete="off" onChange={(event) => setName(event.target.value)} />
      </label>
      {failed === "" ? null : (
        <p className="small house-bad" role="alert">
          {failed}
        </p>
      )}
      <button type="submit" className="button button-wide" disabled={busy}>
        {words.people.invite}
      </button>
    </form>
  );
}

function Shown({ offer, close }: { offer: InvitationOffer; close: () => void }) {
  const hub = useHub();
  const [copied, setCopied] = useState(false);
  // Behind the `#`, where no server and no log sees it.
  const link = `${location.origin}/join#${offer.link.secret}`;
  return (
    <div className="offer" role="status">
      <p>{words.people.shown}</p>
      {loopback(location.hostname) ? <p className="small">{words.people.loopback}</p> : <Qr text={link} label={words.people.qr} />}
      <code className="invite-link">{link}</code>
      <button type="button" className="button button-primary button-wide" onClick={() => void copyText(link).then(setCopied)}>
        {copied ? words.copied : words.people.copy}
      </button>
      <p className="small soft">{words.people.once(clock(offer.link.expiresAtMs, hub.now()))}</p>
      <button type="button" className="button button-wide" onClick={close}>
        {words.people.done}
      </button>
    </div>
  );
}
