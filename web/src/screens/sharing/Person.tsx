import { useId, useState } from "react";
import { useHub, useNow } from "../../app/context";
import { ApiError } from "../../hub/api";
import type { Participant, ParticipantEdit } from "../../protocol/generated";
import { words } from "../../words";
import { clock } from "../../words/time";
import { Confirm } from "../devices/Confirm";
import { Roles } from "./Roles";

interface Props {
  person: Participant;
  /** Whether that is the reader. */
  own: boolean;
  /** Whether the reader is whose chat it is, and so says what others may do. */
  owns: boolean;
  host: string;
}

/** Somebody who takes part: what they are called, what they may do, and for the owner the ways to change that. */
export function Person({ person, own, owns, host }: Props) {
  const hub = useHub();
  const now = useNow();
  const about = useId();
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState("");
  const { session, account, role, trusted } = person;
  const name = person.content.name || words.sharing.unnamed;
  const edit = (change: Partial<ParticipantEdit>): void => {
    setBusy(true);
    setFailed("");
    hub.api
      .editParticipant(session, account, { role: null, trusted: null, ...change })
      .catch((error: unknown) => setFailed(error instanceof ApiError ? words.actions.failedBecause(words.people.refused(error.problem)) : words.actions.failed))
      .finally(() => setBusy(false));
  };
  const facts = [owns ? "" : words.sharing.role(role), words.sharing.since(clock(person.joinedAtMs, now))].filter((part) => part !== "");
  return (
    <li className="sharing-person" data-participant={account}>
      <div className="sharing-head">
        <span className="sharing-who">
          <span className="sharing-name">{own ? words.people.you(name) : name}</span>
          <span className="small soft">{facts.join(" · ")}</span>
        </span>
        {owns ? (
          <Confirm
            button={words.sharing.remove}
            label={words.sharing.removeLabel(name)}
            title={words.sharing.removeTitle(name)}
            texts={[words.sharing.removeText(name), words.sharing.removeHeld]}
            yes={words.sharing.remove}
            act={() => hub.api.removeParticipant(session, account)}
          />
        ) : null}
      </div>
      {owns ? (
        <>
          {/* Trust goes with the part that it was given for: who comes back to writing is trusted anew. */}
          <Roles label={words.sharing.mayLabel(name)} role={role} busy={busy} choose={(chosen) => edit({ role: chosen, trusted: false })} />
          <p className="small soft">{role === "viewer" ? words.sharing.viewerAbout : trusted ? words.sharing.trustedAbout : words.sharing.editorAbout}</p>
          {role === "editor" ? (
            <label className="sharing-trust">
              <input type="checkbox" role="switch" checked={trusted} disabled={busy} aria-label={words.sharing.trustLabel(name)} aria-describedby={about} onChange={(event) => edit({ trusted: event.target.checked })} />
              <span>
                <span>{words.sharing.trust}</span>
                <span id={about} className="small soft sharing-about">
                  {words.sharing.trustAbout(host)}
                </span>
              </span>
            </label>
          ) : null}
        </>
      ) : null}
      {failed === "" ? null : (
        <p className="small house-bad" role="alert">
          {failed}
        </p>
      )}
    </li>
  );
}
