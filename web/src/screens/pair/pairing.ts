import { type Api, ApiError } from "../../hub/api";
import { makeKey, type NewKey, wipe } from "../../hub/local";
import { Store } from "../../hub/store";
import type { ClaimResponse } from "../../protocol/generated";

export type Refusal = "invalid" | "rejected" | "expired" | "limited" | "unreachable" | "failed";

/** Where an enrolment stands, as its screen shows it. */
export type Stage =
  | { at: "code" }
  | { at: "claiming" }
  | { at: "waiting"; words: string; expiresAtMs: number }
  | { at: "approved" }
  | { at: "refused"; why: Refusal; retryAfterMs: number | null; hint: string };

/** Longest the hub keeps a question open, in milliseconds. */
const WAIT_MS = 20_000;
/** Pause after the hub could not be reached while waiting, in milliseconds. */
const PAUSE_MS = 2_000;

/** One enrolment: the claim, then the wait for the person at the host. */
export class Pairing {
  readonly stage = new Store<Stage>({ at: "code" });
  readonly #api: Api;
  #stop = new AbortController();

  constructor(api: Api) {
    this.#api = api;
  }

  async claim(code: string, name: string, platform: string): Promise<void> {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.stage.set({ at: "claiming" });
    try {
      const key = await makeKey();
      const claim = await this.#api.claim({ code, name, platform, kind: "browser", publicKey: key?.publicKey ?? null });
      if (!signal.aborted) await this.#wait(claim, key, signal);
    } catch (error) {
      if (!signal.aborted) this.stage.set(refused(error));
    }
  }

  /** Back to the code; nothing more is asked of the hub. */
  reset(): void {
    this.#stop.abort();
    this.stage.set({ at: "code" });
  }

  async #wait(claim: ClaimResponse, key: NewKey | null, signal: AbortSignal): Promise<void> {
    this.stage.set({ at: "waiting", words: claim.words, expiresAtMs: claim.expiresAtMs });
    while (!signal.aborted) {
      try {
        const { pairing, claimToken } = claim;
        const status = await this.#api.claimStatus({ pairing, claimToken, waitMs: WAIT_MS }, signal);
        if (status.state === "approved") {
          // What another account may have left here goes before this one comes in (W-119); not sooner, since who is refused has lost nothing.
          wipe();
          // Who cannot keep it comes in all the same: the cookie is what lets this browser in.
          await key?.keep().catch(() => undefined);
          if (signal.aborted) return;
          this.stage.set({ at: "approved" });
          return;
        }
        if (signal.aborted) return;
        if (status.state !== "pending") {
          this.stage.set({ at: "refused", why: status.state, retryAfterMs: null, hint: "" });
          return;
        }
      } catch (error) {
        if (signal.aborted) return;
        const final = error instanceof ApiError && error.problem.status < 500 && error.problem.status !== 429;
        if (final) throw error;
        // A phone that was locked, or a network that went away: the claim stands until it expires.
        await new Promise((resolve) => setTimeout(resolve, error instanceof ApiError ? (error.retryAfterMs ?? PAUSE_MS) : PAUSE_MS));
      }
    }
  }
}

function refused(error: unknown): Stage {
  if (!(error instanceof ApiError)) return { at: "refused", why: "unreachable", retryAfterMs: null, hint: "" };
  const { code, hint } = error.problem;
  const why: Refusal =
    code === "pairing_invalid"
      ? "invalid"
      : code === "pairing_rejected"
        ? "rejected"
        : code === "expired"
          ? "expired"
          : code === "rate_limited"
            ? "limited"
            : "failed";
  return { at: "refused", why, retryAfterMs: error.retryAfterMs, hint };
}
