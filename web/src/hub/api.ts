import type {
  Access,
  AccessEdit,
  AccountList,
  AuditPage,
  ClaimRequest,
  ClaimResponse,
  ClaimStatus,
  ClaimStatusRequest,
  CommandAck,
  CommandEdit,
  CommandMove,
  CommandRelease,
  DeviceList,
  HealthReport,
  InvitationList,
  InvitationOffer,
  JoinSession,
  JoinedSession,
  Lists,
  Me,
  NewInvitation,
  NewPairing,
  NewSessionInvitation,
  NodeCode,
  PairingClaim,
  PairingList,
  PairingOffer,
  Participant,
  ParticipantEdit,
  ParticipantList,
  Problem,
  SessionEdit,
  TranscriptPage,
  UploadRequest,
  UploadState,
} from "../protocol/generated";

/** The hub answered, and the answer is a problem. */
export class ApiError extends Error {
  readonly problem: Problem;
  /** After which time another try may help, in milliseconds. */
  readonly retryAfterMs: number | null;

  constructor(problem: Problem, retryAfterMs: number | null = null) {
    super(problem.code);
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The hub did not answer: no network, or nothing there. */
export class Unreachable extends Error {}

/** Longest wait for an answer, in milliseconds, beside what was asked to wait. */
const TIMEOUT_MS = 20_000;

/** The HTTP API, with the device's cookie. */
export class Api {
  readonly #base: string;
  /** Called when the hub no longer knows this device. */
  onUnauthenticated: () => void = () => {};

  constructor(base = "") {
    this.#base = base;
  }

  me = (): Promise<Me> => this.#json("GET", "/v1/me");
  lists = (): Promise<Lists> => this.#json("GET", "/v1/lists");
  claims = (): Promise<PairingList> => this.#json("GET", "/v1/pairings");

  /** Finds the machine that shows a code; it waits to be answered from then on. */
  acceptNode = (code: string): Promise<PairingClaim> => this.#json("POST", "/v1/pairings/accept", { code } satisfies NodeCode);

  answerClaim(pairing: string, allow: boolean): Promise<void> {
    return this.#json("POST", `/v1/pairings/${encodeURIComponent(pairing)}/answer`, { allow });
  }

  transcript(session: string, before: string | null): Promise<TranscriptPage> {
    const query = before === null ? "" : `?before=${encodeURIComponent(before)}`;
    return this.#json("GET", `/v1/sessions/${encodeURIComponent(session)}/transcript${query}`);
  }

  /** Renames or archives a session; null leaves a part as it is. */
  editSession(session: string, edit: SessionEdit): Promise<void> {
    return this.#json("PATCH", `/v1/sessions/${encodeURIComponent(session)}`, edit);
  }

  deleteSession(session: string): Promise<void> {
    return this.#json("DELETE", `/v1/sessions/${encodeURIComponent(session)}`);
  }

  /** Says how many turns of a session have been read; the hub only ever counts up. */
  markRead(session: string, readTurns: number): Promise<void> {
    return this.#json("PUT", `/v1/sessions/${encodeURIComponent(session)}/read`, { readTurns });
  }

  /** Changes the words of a command that waits, or how long it may wait from now on. */
  editCommand(command: string, edit: CommandEdit): Promise<CommandAck> {
    return this.#json("PATCH", `/v1/commands/${encodeURIComponent(command)}`, edit);
  }

  /** Moves a command that waits to another place in the line of its machine. */
  moveCommand(command: string, move: CommandMove): Promise<CommandAck> {
    return this.#json("POST", `/v1/commands/${encodeURIComponent(command)}/move`, move);
  }

  devices = (): Promise<DeviceList> => this.#json("GET", "/v1/devices");

  /** Takes a device's credential back; it is out within two seconds. */
  revoke(device: string): Promise<void> {
    return this.#json("DELETE", `/v1/devices/${encodeURIComponent(device)}`);
  }

  /** Takes a standing rule back; the answer means that its host does not answer by it any more. */
  revokeRule(rule: string): Promise<void> {
    return this.#json("DELETE", `/v1/rules/${encodeURIComponent(rule)}`);
  }

  /** Makes a code for another device, which is asked about before it comes in. */
  offer = (): Promise<PairingOffer> => this.#json("POST", "/v1/pairings", { once: false } satisfies NewPairing);

  /** Makes an invitation; its secret is in this answer and nowhere else. */
  invite = (invitation: NewInvitation): Promise<InvitationOffer> => this.#json("POST", "/v1/invitations", invitation);
  invitations = (): Promise<InvitationList> => this.#json("GET", "/v1/invitations");

  /** Takes an invitation back: its link is void at once. */
  uninvite(invitation: string): Promise<void> {
    return this.#json("DELETE", `/v1/invitations/${encodeURIComponent(invitation)}`);
  }

  /** Who takes part in a session, and for its owner which invitations to it are open. */
  participants(session: string): Promise<ParticipantList> {
    return this.#json("GET", `/v1/sessions/${encodeURIComponent(session)}/participants`);
  }

  /** Makes an invitation to a session; its secret is in this answer and nowhere else. */
  share(session: string, invitation: NewSessionInvitation): Promise<InvitationOffer> {
    return this.#json("POST", `/v1/sessions/${encodeURIComponent(session)}/invitations`, invitation);
  }

  /** Takes an invitation to a session back: its link is void at once. */
  unshare(session: string, invitation: string): Promise<void> {
    return this.#json("DELETE", `/v1/sessions/${encodeURIComponent(session)}/invitations/${encodeURIComponent(invitation)}`);
  }

  /** Changes what somebody may do in a session; null leaves a part as it is. */
  editParticipant(session: string, account: string, edit: ParticipantEdit): Promise<Participant> {
    return this.#json("PATCH", `/v1/sessions/${encodeURIComponent(session)}/participants/${encodeURIComponent(account)}`, edit);
  }

  /** Takes somebody out of a session; of one's own account: leaves it. */
  removeParticipant(session: string, account: string): Promise<void> {
    return this.#json("DELETE", `/v1/sessions/${encodeURIComponent(session)}/participants/${encodeURIComponent(account)}`);
  }

  /** Uses an invitation to a session of somebody else, once. */
  joinSession = (secret: string): Promise<JoinedSession> => this.#json("POST", "/v1/participants/join", { secret } satisfies JoinSession);

  /** Lets a prompt run that somebody who takes part has sent, as it was shown: `approval_changed` when its words are others by now. */
  release(command: string, updatedAtMs: number): Promise<CommandAck> {
    return this.#json("POST", `/v1/commands/${encodeURIComponent(command)}/release`, { updatedAtMs } satisfies CommandRelease);
  }

  accounts = (): Promise<AccountList> => this.#json("GET", "/v1/accounts");

  /** Closes an account for good. */
  closeAccount(account: string): Promise<void> {
    return this.#json("DELETE", `/v1/accounts/${encodeURIComponent(account)}`);
  }

  audit(before: string | null): Promise<AuditPage> {
    return this.#json("GET", `/v1/audit?limit=30${before === null ? "" : `&before=${encodeURIComponent(before)}`}`);
  }

  health = (): Promise<HealthReport> => this.#json("GET", "/v1/health");

  access = (): Promise<Access> => this.#json("GET", "/v1/access");

  /** Turns the switch of remote access; only on the machine itself. */
  setAccess(state: AccessEdit["state"]): Promise<Access> {
    return this.#json("PUT", "/v1/access", { state } satisfies AccessEdit);
  }

  beginUpload(request: UploadRequest): Promise<UploadState> {
    return this.#json("POST", "/v1/uploads", request);
  }

  upload(upload: string): Promise<UploadState> {
    return this.#json("GET", `/v1/uploads/${encodeURIComponent(upload)}`);
  }

  /** Adds a piece that begins at an offset; the hub says `upload_offset` when it stands elsewhere. */
  uploadPiece(upload: string, offset: number, piece: Blob): Promise<UploadState> {
    const headers = { accept: "application/json", "content-type": "application/octet-stream", "upload-offset": String(offset) };
    return this.#ask("PATCH", `/v1/uploads/${encodeURIComponent(upload)}`, headers, piece);
  }

  logout = (): Promise<void> => this.#json("POST", "/v1/logout");

  claim = (body: ClaimRequest): Promise<ClaimResponse> => this.#json("POST", "/v1/pairings/claim", body);

  claimStatus(body: ClaimStatusRequest, signal: AbortSignal): Promise<ClaimStatus> {
    return this.#json("POST", "/v1/pairings/status", body, signal, body.waitMs);
  }

  #json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal, extraMs = 0): Promise<T> {
    const accept = { accept: "application/json" };
    if (body === undefined) return this.#ask(method, path, accept, null, signal, extraMs);
    return this.#ask(method, path, { ...accept, "content-type": "application/json" }, JSON.stringify(body), signal, extraMs);
  }

  async #ask<T>(method: string, path: string, headers: Record<string, string>, body: string | Blob | null, signal?: AbortSignal, extraMs = 0): Promise<T> {
    const clock = new AbortController();
    const timer = setTimeout(() => clock.abort(), TIMEOUT_MS + extraMs);
    const abort = (): void => clock.abort();
    signal?.addEventListener("abort", abort);
    try {
      const response = await fetch(this.#base + path, {
        method,
        credentials: "same-origin",
        cache: "no-store",
        redirect: "error",
        headers,
        body,
        signal: clock.signal,
      });
      if (!response.ok) {
        const error = await failure(response);
        if (error.problem.code === "unauthenticated") this.onUnauthenticated();
        throw error;
      }
      return (response.status === 204 ? undefined : await response.json()) as T;
    } catch (error) {
      throw error instanceof ApiError ? error : new Unreachable(path, { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }
}

async function failure(response: Response): Promise<ApiError> {
  const after = Number(response.headers.get("retry-after"));
  const retryAfterMs = Number.isFinite(after) && after > 0 ? after * 1000 : null;
  let problem: Problem = { status: response.status, code: "internal", title: "", detail: null, hint: "", requestId: null };
  try {
    const body = (await response.json()) as Partial<Problem>;
    if (typeof body.code === "string") problem = { ...problem, ...body };
  } catch {
    // A proxy's page instead of a problem is no word of the hub, whatever its status: above all it does not say that this device is
    // not enrolled any more, upon which everything that is kept here would be wiped.
  }
  return new ApiError(problem, retryAfterMs);
}
