import { CLOSE } from "../protocol/generated";

/** Why the socket will not be dialled again. */
export type Stopped = "closed" | "auth" | "forbidden" | "upgrade";

/** What a client does about a close code: fixed, as in `protocol::socket::CloseCode` (W-049). */
export type Reaction =
  | { do: "stop"; why: Stopped }
  /** Connect again; `forget` says that what was sent and not answered must not be sent again. */
  | { do: "redial"; pause: "backoff" | "soon"; forget: boolean };

const REACTIONS: Readonly<Record<number, Reaction>> = {
  [CLOSE.bad_frame]: { do: "redial", pause: "backoff", forget: true },
  [CLOSE.auth_expired]: { do: "stop", why: "auth" },
  [CLOSE.forbidden]: { do: "stop", why: "forbidden" },
  [CLOSE.resync_required]: { do: "redial", pause: "soon", forget: false },
  [CLOSE.too_large]: { do: "redial", pause: "backoff", forget: true },
  [CLOSE.upgrade_required]: { do: "stop", why: "upgrade" },
  [CLOSE.draining]: { do: "redial", pause: "soon", forget: false },
};

/** The reaction to a close code; codes that proxies make up mean a lost connection. */
export function reaction(code: number): Reaction {
  return REACTIONS[code] ?? { do: "redial", pause: "backoff", forget: false };
}
