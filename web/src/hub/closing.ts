/** Why the socket will not be dialled again. */
export type Stopped = "closed" | "auth" | "forbidden" | "upgrade";

/** What a client does about a close code: fixed, as in `protocol::socket::CloseCode` (W-049). */
export type Reaction =
  | { do: "stop"; why: Stopped }
  /** Connect again; `forget` says that what was sent and not answered must not be sent again. */
  | { do: "redial"; pause: "backoff" | "soon"; forget: boolean };

const REACTIONS: Readonly<Record<number, Reaction>> = {
  4400: { do: "redial", pause: "backoff", forget: true },
  4401: { do: "stop", why: "auth" },
  4403: { do: "stop", why: "forbidden" },
  4408: { do: "redial", pause: "soon", forget: false },
  4413: { do: "redial", pause: "backoff", forget: true },
  4426: { do: "stop", why: "upgrade" },
  4503: { do: "redial", pause: "soon", forget: false },
};

/** The reaction to a close code; codes that proxies make up mean a lost connection. */
export function reaction(code: number): Reaction {
  return REACTIONS[code] ?? { do: "redial", pause: "backoff", forget: false };
}
