import { type FormEvent, useState } from "react";
import { useHub } from "../../app/context";
import { ApiError } from "../../hub/api";
import type { PairingClaim } from "../../protocol/generated";
import { words } from "../../words";
import { Claim } from "../sessions/Claims";

/** Takes the code that another machine shows, and asks whether that machine may be linked to this hub. */
export function Accept() {
  const hub = useHub();
  const [code, setCode] = useState("");
  const [claim, setClaim] = useState<PairingClaim | null>(null);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState("");
  const send = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    setFailed("");
    hub.api
      .acceptNode(code)
      .then(
        (found) => {
          setClaim(found);
          setCode("");
        },
        (error: unknown) => setFailed(error instanceof ApiError ? words.actions.failedBecause(words.error(error.problem.code)) : words.actions.failed),
      )
      .finally(() => setBusy(false));
  };
  if (claim) return <Claim claim={claim} done={() => setClaim(null)} />;
  return (
    <details className="accept">
      <summary className="small">{words.devices.linkMachine}</summary>
      <form onSubmit={send}>
        <p className="small soft">{words.devices.linkHow}</p>
        <label className="small" htmlFor="accept-code">
          {words.devices.machineCode}
        </label>
        <input
          id="accept-code"
          className="input pair-code"
          value={code}
          onChange={(event) => setCode(event.target.value)}
          placeholder="XXXX-XXXX"
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
        />
        {failed === "" ? null : (
          <p className="small house-bad" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" className="button button-wide" disabled={busy || code.trim() === ""}>
          {words.devices.lookUp}
        </button>
      </form>
    </details>
  );
}
