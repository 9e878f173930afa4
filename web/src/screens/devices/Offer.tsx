import { useEffect, useState } from "react";
import { useHub } from "../../app/context";
import { ApiError } from "../../hub/api";
import type { PairingOffer } from "../../protocol/generated";
import { words } from "../../words";
import { clock } from "../../words/time";
import { loopback } from "./loopback";
import { Qr } from "./Qr";

/** Makes a code for another device: to point a camera at, or to type. */
export function Offer() {
  const hub = useHub();
  const [offer, setOffer] = useState<PairingOffer | null>(null);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    if (!offer) return;
    const timer = setTimeout(() => setOffer(null), Math.max(0, offer.expiresAtMs - hub.now()));
    return () => clearTimeout(timer);
  }, [hub, offer]);
  const make = (): void => {
    setBusy(true);
    setFailed("");
    hub.api
      .offer()
      .then(setOffer, (error: unknown) => setFailed(error instanceof ApiError ? words.actions.failedBecause(words.error(error.problem.code)) : words.actions.failed))
      .finally(() => setBusy(false));
  };
  if (!offer) {
    return (
      <>
        {failed === "" ? null : (
          <p className="small house-bad" role="alert">
            {failed}
          </p>
        )}
        <button type="button" className="button button-wide" disabled={busy} onClick={make}>
          {words.devices.pair}
        </button>
      </>
    );
  }
  const local = loopback(location.hostname);
  return (
    <div className="offer" role="status">
      {local ? <p className="small">{words.devices.loopback}</p> : <Qr text={`${location.origin}/pair#${offer.secret}`} label={words.devices.qr} />}
      <p className="small soft">{local ? words.devices.typeLocal : words.devices.type(`${location.origin}/pair`)}</p>
      <p className="offer-code">{offer.code}</p>
      <p className="small soft">{words.devices.until(clock(offer.expiresAtMs, hub.now()))}</p>
      <button type="button" className="button button-wide" onClick={() => setOffer(null)}>
        {words.close}
      </button>
    </div>
  );
}
