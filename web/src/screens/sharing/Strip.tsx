import { useMemo } from "react";
import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { Icon } from "../../parts/Icon";
import { type Seat, participantsOf } from "../../session/participants";
import { words } from "../../words";
import { sharing } from "../sessions/asked";
import "./sharing.css";

/** Under the head of a chat that is not only the reader's: who else is in it, or whose it is and what the reader may do. It opens the list of them. */
export function Strip({ session, seat }: { session: string; seat: Seat }) {
  const { participant } = useRows();
  const account = useStore(useHub().me)?.account;
  const others = useMemo(
    () => participantsOf(session, { participant }).flatMap((each) => (each.account === account ? [] : [each.content.name || words.sharing.unnamed])),
    [session, participant, account],
  );
  if (seat.role === "owner" && others.length === 0) return null;
  const said = seat.role === "owner" ? words.sharing.with(others) : words.sharing.seat[seat.role](seat.owner);
  return (
    <button type="button" className="strip small" aria-haspopup="dialog" onClick={() => sharing.set(session)}>
      <Icon name="people" />
      <span className="strip-said">{said}</span>
      <span className="unseen">{words.sharing.people}</span>
      <Icon name="chevron" />
    </button>
  );
}
