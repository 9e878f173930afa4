import { useMemo } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { Page } from "../../parts/Page";
import { Written } from "../../parts/Written";
import { words } from "../../words";
import { SessionRow } from "./SessionRow";
import { listed } from "./order";

/** The chats that were put away, whole, with their menus. */
export function Archived() {
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  const account = useStore(hub.me)?.account ?? null;
  const now = useNow();
  const away = useMemo(() => listed(rows, sent, undefined, null, account).filter((row) => row.archived).sort((a, b) => b.atMs - a.atMs), [rows, sent, account]);
  return (
    <Page title={words.archive.title}>
      {rows.ready && away.length === 0 ? <Written title={words.archive.emptyTitle} text={words.archive.empty} /> : null}
      <ul className="archived">
        {away.map((row) => (
          <SessionRow key={row.id} row={row} current={false} now={now} />
        ))}
      </ul>
    </Page>
  );
}
