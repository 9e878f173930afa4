/** The database of what is attached to drafts; `wipe` in `hub/kept.ts` deletes it with all the rest (W-119). */
export const FILES_DATABASE = "towline-files";
const FILES = "files";

/** A file of a draft, as it outlives a reload. */
export interface KeptFile {
  id: string;
  draft: string;
  name: string;
  mediaType: string;
  sizeBytes: number;
  /** The bytes, as long as the hub does not have all of them. */
  bytes: Blob | null;
  /** The upload at the hub, once it has begun. */
  upload: string | null;
  /** The whole file at the hub. */
  sha256: string | null;
  atMs: number;
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(FILES_DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(FILES, { keyPath: "id" });
    request.onerror = () => reject(request.error ?? new Error("no database"));
    request.onblocked = () => reject(new Error("another tab has an older database open"));
    request.onsuccess = () => resolve(request.result);
  });
}

async function change(how: (box: IDBObjectStore) => void): Promise<void> {
  try {
    const base = await open();
    base.onversionchange = () => base.close();
    await new Promise<void>((resolve) => {
      const work = base.transaction(FILES, "readwrite");
      work.oncomplete = work.onerror = work.onabort = () => resolve();
      how(work.objectStore(FILES));
    });
    base.close();
  } catch {
    // Without a database an attachment lives as long as its page.
  }
}

/** What one tab tells the others. */
type Told = { gone: string } | { whole: string };

/** The way to the other tabs; null where a browser has none. */
function channel(): BroadcastChannel | null {
  try {
    return new BroadcastChannel(FILES_DATABASE);
  } catch {
    return null;
  }
}

function tell(told: Told): void {
  const way = channel();
  way?.postMessage(told);
  way?.close();
}

/** Writes files of drafts down where the browser keeps them, for all tabs of it. */
export const keeping = {
  async put(file: KeptFile): Promise<void> {
    await change((box) => void box.put(file));
    if (file.sha256 !== null) tell({ whole: file.draft });
  },
  drop(id: string): Promise<void> {
    tell({ gone: id });
    return change((box) => void box.delete(id));
  },
  /** Calls when another tab has dropped a file, which went out with its message or was taken away; and when one of a draft is whole there. */
  watch(gone: (id: string) => void, whole: (draft: string) => void): () => void {
    const way = channel();
    if (way) {
      way.onmessage = ({ data }: MessageEvent<Told>) => {
        if ("gone" in data) gone(data.gone);
        else whole(data.whole);
      };
    }
    return () => way?.close();
  },
  async all(draft: string): Promise<KeptFile[]> {
    try {
      const base = await open();
      const found = await new Promise<KeptFile[]>((resolve) => {
        const request = base.transaction(FILES, "readonly").objectStore(FILES).getAll();
        request.onsuccess = () => resolve(request.result as KeptFile[]);
        request.onerror = () => resolve([]);
      });
      base.close();
      return found.filter((file) => file.draft === draft).sort((a, b) => a.atMs - b.atMs);
    } catch {
      return [];
    }
  },
};

export type Keeping = typeof keeping;
