import { type Kept, keepKey } from "./kept";
import { Store } from "./store";

export { wipe } from "./kept";

const DRAFT = "draft.";

/**
 * What was typed for a session and not sent: one text per session and device, whichever of its tabs it is typed in. A tab that would keep
 * a text of its own would write over what another one has, or send a second time what went out there.
 */
export class Drafts {
  readonly #kept: Kept;
  readonly #shown = new Map<string, Store<string>>();

  constructor(kept: Kept) {
    this.#kept = kept;
    kept.watch((key) => {
      if (key.startsWith(DRAFT)) this.#shown.get(key.slice(DRAFT.length))?.set(kept.get(key) ?? "");
    });
  }

  /** The text, for whoever shows it: it changes with every letter, here or in another tab. */
  of(session: string): Store<string> {
    const shown = this.#shown.get(session) ?? new Store(this.get(session));
    this.#shown.set(session, shown);
    return shown;
  }

  get(session: string): string {
    return this.#kept.get(DRAFT + session) ?? "";
  }

  set(session: string, text: string): void {
    if (text === "") this.#kept.remove(DRAFT + session);
    else this.#kept.set(DRAFT + session, text);
    this.#shown.get(session)?.set(text);
  }

  /** Adds to what is typed there already, which is nobody's to write over. */
  add(session: string, text: string): void {
    const typed = this.get(session);
    if (typed.includes(text)) return;
    this.set(session, typed.trim() === "" ? text : `${typed.trimEnd()}\n\n${text}`);
  }

  /** Everything that was typed and not sent, by session. */
  all(): [string, string][] {
    return this.#kept.keys(DRAFT).map((key) => [key.slice(DRAFT.length), this.#kept.get(key) ?? ""]);
  }
}

/** A key pair of this device that is not kept yet. */
export interface NewKey {
  /** The public half in base64url. */
  publicKey: string;
  /** Keeps both in the browser's database, in the place of an earlier pair. */
  keep: () => Promise<void>;
}

/**
 * Makes the device's Ed25519 key pair; null where the platform cannot (plain HTTP has no `crypto.subtle`). The private key cannot be
 * read by anybody, this page included.
 */
export async function makeKey(): Promise<NewKey | null> {
  try {
    if (typeof crypto.subtle === "undefined") return null;
    const pair = (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    const publicKey = btoa(String.fromCharCode(...raw))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");
    return { publicKey, keep: () => keepKey(pair) };
  } catch {
    return null;
  }
}
