import { useEffect, useState } from "react";
import { useHub, useRows } from "../../app/context";
import { go } from "../../app/router";
import { mint } from "../../hub/ids";
import { useStore } from "../../hub/store";
import { Icon } from "../../parts/Icon";
import type { Attachment } from "../../protocol/generated";
import { sendAgain } from "../../session/again";
import { type Seat, writes } from "../../session/participants";
import { words } from "../../words";

/** What a turn was asked, and the turn that was answered before it. */
export interface Asked {
  text: string;
  attachments: readonly Attachment[];
  /** The command that asked it; null where it was not a prompt. */
  command: string | null;
  /** The turn behind which another chat could ask it in another way; null when there is none. */
  before: string | null;
}

interface Props {
  /** What the reader is in this chat: a chat of its own is made only of one's own. */
  seat: Seat;
  session: string;
  turn: string;
  /** Whether it was answered: another chat can go on from there. */
  answered: boolean;
  asked: Asked | null;
}

/** What can be done from where a turn ended, folded until asked for: the same once more, and another way in a chat of its own. Nothing here changes what was said. */
export function TurnWays({ seat, session, turn, answered, asked: was }: Props) {
  // A participant sends no files.
  const asked = seat.role !== "owner" && was !== null && was.attachments.length > 0 ? null : was;
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  const [open, setOpen] = useState(false);
  const [making, setMaking] = useState<{ session: string; command: string; draft: string; files: readonly Attachment[] } | null>(null);
  const row = rows.session.get(session);
  const made = making !== null && rows.session.has(making.session);
  useEffect(() => {
    if (!made || making === null) return;
    if (making.draft !== "") hub.redraft(making.session, making.draft, making.files);
    go({ screen: "session", session: making.session });
  }, [hub, made, making]);
  if (!row) return null;
  const agent = rows.host.get(row.host)?.content.agents.find((each) => each.id === row.agent);
  const forks = seat.role === "owner" && (agent?.abilities ?? []).includes("fork");
  // Some agents go on from the newest turn only.
  const forksHere = forks || (seat.role === "owner" && (agent?.abilities ?? []).includes("fork_newest") && row.lastTurn?.id === turn);
  const fork = (after: string, draft: string, files: readonly Attachment[]): void => {
    const minted = mint("ses");
    const title = row.content.title === "" ? null : row.content.title;
    const command = hub.post(row.host, { kind: "fork_session", session: minted, from: session, after, content: { title, text: null, attachments: [] } });
    setMaking({ session: minted, command, draft, files });
  };
  const edit = (): void => {
    if (asked === null) return;
    if (asked.before !== null) return fork(asked.before, asked.text, asked.attachments);
    hub.redraft("new", asked.text, asked.attachments);
    go({ screen: "new", project: row.project });
  };
  // Once, from wherever, and however often it is tapped (W-013): each time would run.
  const again = sendAgain(asked?.command ?? null, rows, sent);
  const refused = [...sent].find(([, { request, phase }]) => request.retryOf === again.retryOf && again.retryOf !== null && phase === "refused");
  const send = (): void => {
    // As it is now, and not as it was drawn: two taps may come before the next frame.
    if (asked === null || sendAgain(asked.command, rows, hub.sent.get()).sent) return;
    if (refused) hub.forget(refused[0]);
    hub.post(row.host, { kind: "send_prompt", session, content: { text: asked.text, attachments: [...asked.attachments] } }, null, again.retryOf);
  };
  const failed = making === null ? null : (rows.command.get(making.command)?.error ?? null);
  const canEdit = seat.role === "owner" && asked !== null && asked.text !== "" && (asked.before === null || forks);
  if (!writes(seat)) return null;
  if (!canEdit && !(answered && forksHere) && (answered || asked === null)) return null;
  return (
    <div className="turn-ways">
      <button type="button" className="button button-plain button-square turn-ways-open" aria-label={words.delivery.ways} aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="more" />
      </button>
      {open ? (
        <div className="turn-ways-list">
          {!answered && asked !== null ? (
            // The same button: whoever pressed it keeps the focus.
            <button type="button" className={again.sent ? "button button-plain small soft" : "button small"} aria-disabled={again.sent} onClick={send}>
              {again.sent ? words.delivery.sentAgain : words.delivery.again}
            </button>
          ) : null}
          {answered && forksHere ? (
            <button type="button" className="button small" title={words.delivery.forkHelp} disabled={making !== null && failed === null} onClick={() => fork(turn, "", [])}>
              {words.delivery.fork}
            </button>
          ) : null}
          {canEdit ? (
            <button type="button" className="button small" title={words.delivery.forkHelp} disabled={making !== null && failed === null} onClick={edit}>
              {words.delivery.forkEdit}
            </button>
          ) : null}
          {making !== null && failed === null ? <span className="small soft breathing" role="status">{words.delivery.forking}</span> : null}
          {failed !== null ? <span className="small message-error" role="alert">{words.error(failed.code)}</span> : null}
        </div>
      ) : null}
    </div>
  );
}
