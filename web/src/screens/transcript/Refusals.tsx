import { useState } from "react";
import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { type Asked, refusals } from "../../session/stop";
import { words } from "../../words";

/** What this device wanted in a chat and did not get, where nothing else says so: why, until its person has read it. */
export function Refusals({ session, stops }: { session: string; stops: readonly Asked[] }) {
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  const device = useStore(hub.me)?.device ?? "";
  const [since] = useState(() => hub.now());
  const [read, setRead] = useState<ReadonlySet<string>>(new Set());
  return refusals(session, rows, sent, device, since, stops)
    .filter(({ command }) => !read.has(command))
    .map(({ command, kind, error }) => (
      <div key={command} className="composer-refused small" role="alert">
        <p>{words.composer.refused(words.commands.kind(kind), words.error(error))}</p>
        <button
          type="button"
          className="button button-plain small"
          onClick={() => {
            hub.forget(command);
            setRead(new Set(read).add(command));
          }}
        >
          {words.dismiss}
        </button>
      </div>
    ));
}
