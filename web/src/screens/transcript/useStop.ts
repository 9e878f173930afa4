import { useEffect, useState } from "react";
import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { type Asked, type Stop, stopOf } from "../../session/stop";

/** Stops the running turn of a chat, once at a time, and again where the last try came to nothing. */
export function useStop(session: string, host: string, running: string | null): { stop: Stop; stops: readonly Asked[]; press: () => void } {
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  const [stops, setStops] = useState<readonly Asked[]>([]);
  const stop = stopOf(running, stops, rows, sent);
  // What the hub refused is nothing to keep once its turn has ended or another try takes its place.
  const forget = (over: (turn: string) => boolean): void => {
    for (const { turn, command } of stops) if (over(turn) && hub.sent.get().get(command)?.phase === "refused") hub.forget(command);
  };
  useEffect(() => forget((turn) => turn !== running), [running]);
  const press = (): void => {
    if (running === null || host === "" || stopOf(running, stops, rows, hub.sent.get()).state === "going") return;
    forget(() => true);
    setStops([...stops, { turn: running, command: hub.post(host, { kind: "cancel_turn", session, turn: running }) }]);
  };
  return { stop, stops, press };
}
