import type { Rows } from "../../hub/feed";
import type { Me, Sender } from "../../protocol/generated";
import { participantsOf, seatOf } from "../../session/participants";
import { words } from "../../words";

/**
 * Who a sender is to the reader: "You", and the name of the device; of a chat that several people share, the name of whoever it was. A linked
 * machine writes its own account into its journals for its owner's, which come here byte for byte: so it is the device that counts, and the
 * reader's own devices are those that are listed. Participants stand there under their own accounts.
 *
 * @param session The chat, where there can be others in it.
 */
export function who(sender: Sender | null, rows: Rows, me: Me | null, session: string | null = null): { person: string; device: string } {
  const device = sender ? (rows.device.get(sender.device)?.content.name ?? words.transcript.unknownDevice) : "";
  const mine = sender === null || me === null || sender.account === me.account || rows.device.has(sender.device);
  if (mine) return { person: words.transcript.you, device };
  if (session !== null) {
    const other = [...participantsOf(session, rows), ...rows.former.values()].find((each) => each.account === sender.account);
    if (other) return { person: other.content.name || words.sharing.unnamed, device: "" };
    const seat = seatOf(session, rows, me.account);
    if (seat.role !== "owner") return { person: seat.owner || words.sharing.unnamed, device: "" };
  }
  return { person: words.transcript.unknownDevice, device };
}
