import type { Rows } from "../../hub/feed";
import type { Me, Sender } from "../../protocol/generated";
import { words } from "../../words";

/**
 * Who a sender is to the reader: "You", and the name of the device. A linked machine writes its own account into its journals, which come here
 * byte for byte: so it is the device that counts, and the reader's own devices are those that are listed.
 */
export function who(sender: Sender | null, rows: Rows, me: Me | null): { person: string; device: string } {
  const device = sender ? (rows.device.get(sender.device)?.content.name ?? words.transcript.unknownDevice) : "";
  const mine = sender === null || me === null || sender.account === me.account || rows.device.has(sender.device);
  return { person: mine ? words.transcript.you : words.transcript.unknownDevice, device };
}
