import { useEffect, useState } from "react";
import { useHub } from "../../app/context";
import { useStore } from "../../hub/store";
import type { PairingClaim } from "../../protocol/generated";
import { words } from "../../words";

/** How often to look for devices that want to come in, while the page is visible, in milliseconds. */
const LOOK_MS = 5_000;

/** Devices that wait to be let in: each with the words that its screen must show. */
export function Claims() {
  const hub = useHub();
  const me = useStore(hub.me);
  const may = me?.about.rights.includes("manage") ?? false;
  const [claims, setClaims] = useState<PairingClaim[]>([]);
  const [gone, setGone] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (!may) return;
    let over = false;
    const look = (): void => {
      if (document.visibilityState !== "visible") return;
      hub.api.claims().then(
        (list) => {
          if (!over) setClaims(list.claims);
        },
        () => {
          // The next look says more; a list that cannot be had is not an event.
        },
      );
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      over = true;
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [hub, may]);
  return (
    <div aria-live="polite">
      {claims
        .filter((claim) => !gone.has(claim.pairing))
        .map((claim) => (
          <Claim key={claim.pairing} claim={claim} done={() => setGone((now) => new Set(now).add(claim.pairing))} />
        ))}
    </div>
  );
}

/** A device that waits to be let in. */
export function Claim({ claim, done }: { claim: PairingClaim; done: () => void }) {
  const hub = useHub();
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState(false);
  const answer = (allow: boolean): void => {
    setBusy(true);
    setFailed(false);
    hub.api.answerClaim(claim.pairing, allow).then(done, () => {
      setBusy(false);
      setFailed(true);
    });
  };
  return (
    <section className="claim" aria-label={words.claims.title(claim.name)}>
      <h2>{words.claims.title(claim.name)}</h2>
      <p className="small soft">{words.claims.detail(claim.platform, claim.source)}</p>
      <p className="small">{words.claims.words}</p>
      <p className="claim-words">{claim.words}</p>
      {claim.kind !== "node" || claim.fingerprint === null ? null : (
        <>
          <p className="small">{words.claims.key}</p>
          <p className="claim-key">{claim.fingerprint}</p>
        </>
      )}
      <p className="small soft">{claim.kind === "node" ? words.claims.machine : words.claims.warning}</p>
      {failed ? (
        <p className="small claim-failed" role="alert">
          {words.claims.failed}
        </p>
      ) : null}
      <div className="claim-buttons">
        <button type="button" className="button" disabled={busy} onClick={() => answer(false)}>
          {words.claims.refuse}
        </button>
        <button type="button" className="button button-primary" disabled={busy} onClick={() => answer(true)}>
          {words.claims.allow}
        </button>
      </div>
    </section>
  );
}
