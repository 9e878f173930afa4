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

/** Writes files of drafts down where the browser keeps them. */
export const keeping = {
  put: (file: KeptFile): Promise<void> => change((box) => void box.put(file)),
  drop: (id: string): Promise<void> => change((box) => void box.delete(id)),
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
