import { useId } from "react";
import type { ParticipantRole } from "../../protocol/generated";
import { words } from "../../words";

const ROLES: readonly ParticipantRole[] = ["viewer", "editor"];

/** The two things that somebody can be in a chat, of which one is chosen. */
export function Roles({ label, role, busy, choose }: { label: string; role: ParticipantRole; busy: boolean; choose: (role: ParticipantRole) => void }) {
  const name = useId();
  return (
    <div className="sharing-may" role="radiogroup" aria-label={label}>
      {ROLES.map((each) => (
        <label key={each}>
          <input type="radio" name={name} value={each} checked={each === role} disabled={busy} onChange={() => choose(each)} />
          <span>{words.sharing.may[each]}</span>
        </label>
      ))}
    </div>
  );
}
