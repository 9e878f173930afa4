/** What this page keeps on the device, all of it under one prefix and in one database, so that it can be wiped (W-119). */
const PREFIX = "towline.";
const DATABASE = "towline";
const KEYS = "keys";

/** Removes everything that this page has kept. */
export function wipe(): void {
  for (const name of ["localStorage", "sessionStorage"] as const) {
    try {
      const storage = window[name];
      const keys = Array.from({ length: storage.length }, (_, at) => storage.key(at) ?? "");
      for (const key of keys) if (key.startsWith(PREFIX)) storage.removeItem(key);
    } catch {
      // Storage that is switched off holds nothing.
    }
  }
  try {
    indexedDB.deleteDatabase(DATABASE);
  } catch {
    // The same.
  }
}

/** What was typed for a session and not sent; after `close` nothing more is written down. */
export class Drafts {
  #open = true;

  get(session: string): string {
    try {
      return localStorage.getItem(`${PREFIX}draft.${session}`) ?? "";
    } catch {
      return "";
    }
  }

  set(session: string, text: string): void {
    if (!this.#open) return;
    try {
      if (text === "") localStorage.removeItem(`${PREFIX}draft.${session}`);
      else localStorage.setItem(`${PREFIX}draft.${session}`, text);
    } catch {
      // Without storage a draft lives as long as its page.
    }
  }

  close(): void {
    this.#open = false;
  }
}

/**
 * Makes the device's Ed25519 key pair and answers its public key in base64url; null where the platform cannot (plain HTTP has no
 * `crypto.subtle`). The private key cannot be read by anybody, this page included; it stays in the browser's database.
 */
export async function makeKey(): Promise<string | null> {
  try {
    if (typeof crypto.subtle === "undefined") return null;
    const pair = (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    await keep(pair);
    return btoa(String.fromCharCode(...raw))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");
  } catch {
    return null;
  }
}

function keep(pair: CryptoKeyPair): Promise<void> {
  return new Promise((resolve, reject) => {
    const open = indexedDB.open(DATABASE, 1);
    open.onupgradeneeded = () => open.result.createObjectStore(KEYS);
    open.onerror = () => reject(open.error ?? new Error("no database"));
    open.onsuccess = () => {
      const change = open.result.transaction(KEYS, "readwrite");
      change.objectStore(KEYS).put(pair, "device");
      change.oncomplete = () => {
        open.result.close();
        resolve();
      };
      change.onerror = () => reject(change.error ?? new Error("not kept"));
    };
  });
}
