import { FILES_DATABASE } from "../session/files/keeping";
import { Store } from "./store";

/** What this page keeps on the device, all of it under one prefix and in one database, so that it can be wiped (W-119). */
export const PREFIX = "towline.";
const DATABASE = "towline";
const KEYS = "keys";
const WORDS = "words";

/** Longest wait for the browser's database before the page goes on without it, in milliseconds. */
const OPEN_MS = 2_000;

/** A text with the time at which it was written; null: it was taken away. */
interface Entry {
  atMs: number;
  text: string | null;
}

/**
 * Words that must not be lost: drafts, and what waits to be sent. They are written down twice. Local storage takes them at once and tells
 * the other tabs, but browsers bring it to disk some seconds later, and a killed one never does; the database takes them a moment
 * later and keeps them. Where the two differ, the newer one counts.
 */
export class Kept {
  /** Whether there is no room for words on this device: they live as long as this page does. */
  readonly full = new Store(false);
  readonly #entries = new Map<string, string>();
  readonly #watchers = new Set<(key: string) => void>();
  #base: IDBDatabase | null = null;
  #owed = new Map<string, Entry>();
  /** What neither of the two has taken: tried again whenever one of them took something. */
  readonly #nowhere = new Map<string, Entry>();
  #writing = false;
  #open = true;

  /** Reads everything that is kept; what cannot be read holds nothing. */
  async start(): Promise<void> {
    this.#base = await openWords();
    this.#base?.addEventListener("versionchange", () => this.#base?.close());
    const [here, there] = [readStorage(), this.#base ? await readAll(this.#base) : new Map<string, Entry>()];
    for (const key of new Set([...here.keys(), ...there.keys()])) {
      const [a, b] = [here.get(key), there.get(key)];
      const newest = !a || (b && b.atMs > a.atMs) ? b : a;
      if (newest === undefined) continue;
      if (newest.text === null) this.#write(key, newest);
      else {
        this.#entries.set(key, newest.text);
        if (newest !== a || newest !== b) this.#write(key, newest);
      }
    }
    window.addEventListener("storage", this.#elsewhere);
  }

  get(key: string): string | null {
    return this.#entries.get(key) ?? null;
  }

  /** What storage holds at this moment: another tab may have changed it without this one having heard of it yet. */
  stored(key: string): string | null {
    return parse(storage()?.getItem(PREFIX + key) ?? null)?.text ?? null;
  }

  /** The keys that begin with something, sorted. */
  keys(beginning: string): string[] {
    return [...this.#entries.keys()].filter((key) => key.startsWith(beginning)).sort();
  }

  set(key: string, text: string): void {
    if (!this.#open || this.#entries.get(key) === text) return;
    this.#entries.set(key, text);
    this.#write(key, { atMs: Date.now(), text });
  }

  remove(key: string): void {
    if (!this.#open || !this.#entries.delete(key)) return;
    this.#write(key, { atMs: Date.now(), text: null });
  }

  /** Calls back when another tab has changed a key. */
  watch(watcher: (key: string) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Nothing is written down after this. */
  close(): void {
    this.#open = false;
    this.#owed.clear();
    this.#nowhere.clear();
    this.#entries.clear();
    this.#watchers.clear();
    this.#base?.close();
    this.#base = null;
    window.removeEventListener("storage", this.#elsewhere);
  }

  readonly #elsewhere = (event: StorageEvent): void => {
    // The end of what was taken away before is no news, and what was written since is not meant.
    if (!event.key?.startsWith(PREFIX) || (event.newValue === null && parse(event.oldValue)?.text === null)) return;
    const key = event.key.slice(PREFIX.length);
    const text = parse(event.newValue)?.text ?? null;
    if (text === null) this.#entries.delete(key);
    else this.#entries.set(key, text);
    this.#nowhere.delete(key);
    this.#again();
    this.#say();
    for (const watcher of [...this.#watchers]) watcher(key);
  };

  #write(key: string, entry: Entry): void {
    this.#nowhere.delete(key);
    const kept = writeStorage(key, entry);
    if (this.#base) {
      this.#owed.set(key, entry);
      void this.#bring();
      return;
    }
    if (entry.text === null) dropStorage(key, entry);
    else if (!kept) this.#nowhere.set(key, entry);
    if (entry.text === null || kept) this.#again();
    this.#say();
  }

  /** Brings to the database what it does not have yet, one transaction after the other. */
  async #bring(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    while (this.#owed.size > 0 && this.#base) {
      const batch = this.#owed;
      this.#owed = new Map();
      const brought = await bringAll(this.#base, batch);
      if (!this.#open) break;
      let took = brought.size > 0;
      for (const [key, entry] of batch) {
        if (brought.has(key)) {
          // What the database has forgotten too needs no tombstone any more.
          if (entry.text === null && !this.#entries.has(key)) dropStorage(key, entry);
        } else if (!this.#owed.has(key)) {
          // Both are full only where both said so: what one of them has is kept.
          if (inStorage(key, entry) || writeStorage(key, entry)) took = true;
          else this.#nowhere.set(key, entry);
        }
      }
      if (took) this.#again();
    }
    this.#writing = false;
    this.#say();
  }

  /** Something was taken in or taken away: there may be room for what had none. */
  #again(): void {
    for (const [key, entry] of [...this.#nowhere]) {
      if (this.#base && !this.#owed.has(key)) this.#owed.set(key, entry);
      if (this.#base || writeStorage(key, entry)) this.#nowhere.delete(key);
    }
    void this.#bring();
  }

  #say(): void {
    if (this.#open) this.full.set([...this.#nowhere.values()].some(({ text }) => text !== null));
  }
}

/** Removes everything that this page has kept. */
export function wipe(): void {
  for (const name of ["localStorage", "sessionStorage"] as const) {
    try {
      const box = window[name];
      const keys = Array.from({ length: box.length }, (_, at) => box.key(at) ?? "");
      for (const key of keys) if (key.startsWith(PREFIX)) box.removeItem(key);
    } catch {
      // Storage that is switched off holds nothing.
    }
  }
  try {
    for (const name of [DATABASE, FILES_DATABASE]) indexedDB.deleteDatabase(name);
  } catch {
    // The same.
  }
}

/** Keeps the device's key pair, whose private half nobody can read. */
export async function keepKey(pair: CryptoKeyPair): Promise<void> {
  const base = await open();
  try {
    await new Promise<void>((resolve, reject) => {
      const change = base.transaction(KEYS, "readwrite");
      change.objectStore(KEYS).put(pair, "device");
      change.oncomplete = () => resolve();
      change.onerror = () => reject(change.error ?? new Error("not kept"));
    });
  } finally {
    base.close();
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 2);
    request.onupgradeneeded = () => {
      for (const name of [KEYS, WORDS]) if (!request.result.objectStoreNames.contains(name)) request.result.createObjectStore(name);
    };
    request.onerror = () => reject(request.error ?? new Error("no database"));
    request.onblocked = () => reject(new Error("another tab has an older database open"));
    request.onsuccess = () => resolve(request.result);
  });
}

async function openWords(): Promise<IDBDatabase | null> {
  try {
    return await Promise.race([open(), new Promise<null>((resolve) => setTimeout(() => resolve(null), OPEN_MS))]);
  } catch {
    // Private windows of some browsers have no database: local storage has to do.
    return null;
  }
}

function readAll(base: IDBDatabase): Promise<Map<string, Entry>> {
  return new Promise((resolve) => {
    const found = new Map<string, Entry>();
    try {
      const cursor = base.transaction(WORDS, "readonly").objectStore(WORDS).openCursor();
      cursor.onerror = () => resolve(found);
      cursor.onsuccess = () => {
        const row = cursor.result;
        if (!row) return resolve(found);
        if (typeof row.key === "string") found.set(row.key, row.value as Entry);
        row.continue();
      };
    } catch {
      resolve(found);
    }
  });
}

function writeAll(base: IDBDatabase, batch: ReadonlyMap<string, Entry>): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const change = base.transaction(WORDS, "readwrite");
      const box = change.objectStore(WORDS);
      for (const [key, entry] of batch) {
        // Another tab may have been quicker with what is newer.
        const there = box.get(key);
        there.onsuccess = () => {
          if (((there.result as Entry | undefined)?.atMs ?? 0) > entry.atMs) return;
          if (entry.text === null) box.delete(key);
          else box.put(entry, key);
        };
      }
      change.oncomplete = () => resolve(true);
      change.onerror = () => resolve(false);
      change.onabort = () => resolve(false);
    } catch {
      resolve(false);
    }
  });
}

/** The keys of what the database has taken: each by itself where it does not take all of them together. */
async function bringAll(base: IDBDatabase, batch: ReadonlyMap<string, Entry>): Promise<ReadonlySet<string>> {
  if (await writeAll(base, batch)) return new Set(batch.keys());
  const brought = new Set<string>();
  if (batch.size === 1) return brought;
  for (const [key, entry] of batch) if (await writeAll(base, new Map([[key, entry]]))) brought.add(key);
  return brought;
}

function storage(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

function readStorage(): Map<string, Entry> {
  const found = new Map<string, Entry>();
  const box = storage();
  if (!box) return found;
  for (let at = 0; at < box.length; at += 1) {
    const key = box.key(at) ?? "";
    if (!key.startsWith(PREFIX)) continue;
    const entry = parse(box.getItem(key));
    if (entry) found.set(key.slice(PREFIX.length), entry);
  }
  return found;
}

function writeStorage(key: string, entry: Entry): boolean {
  try {
    const box = storage();
    box?.setItem(PREFIX + key, JSON.stringify(entry));
    return box !== null;
  } catch {
    // No room, or switched off.
    return false;
  }
}

/** Whether storage has that, or something newer. */
function inStorage(key: string, { atMs, text }: Entry): boolean {
  try {
    const now = parse(storage()?.getItem(PREFIX + key) ?? null);
    return now !== null && (now.atMs > atMs || (now.atMs === atMs && now.text === text));
  } catch {
    return false;
  }
}

/** Forgets that something was taken away, unless another tab has written it again. */
function dropStorage(key: string, gone: Entry): void {
  try {
    const now = parse(storage()?.getItem(PREFIX + key) ?? null);
    if (now && (now.text === null || now.atMs <= gone.atMs)) storage()?.removeItem(PREFIX + key);
  } catch {
    // Storage that can no longer be reached holds nothing.
  }
}

function parse(value: string | null | undefined): Entry | null {
  try {
    const entry = JSON.parse(value ?? "null") as Partial<Entry> | null;
    return entry && typeof entry.atMs === "number" ? { atMs: entry.atMs, text: typeof entry.text === "string" ? entry.text : null } : null;
  } catch {
    return null;
  }
}
