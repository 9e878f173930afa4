import { type Api, ApiError } from "../../hub/api";
import { Store } from "../../hub/store";
import { type Timing, browserTiming, pauseMs } from "../../hub/timing";
import type { Attachment, ErrorCode, UploadState } from "../../protocol/generated";
import { LIMITS } from "../../protocol/generated";
import { type Unfit, check, fileName } from "./check";
import { type Keeping, type KeptFile, keeping } from "./keeping";

/** A file of a draft. */
export interface Attached {
  id: string;
  name: string;
  mediaType: string;
  sizeBytes: number;
  receivedBytes: number;
  /** On its way; waiting for the network; at the hub; or not to be sent, with why. */
  phase: "sending" | "waiting" | "done" | "failed";
  why: Unfit | ErrorCode | null;
  sha256: string | null;
  /** Where its picture can be seen; null for a text. */
  preview: string | null;
}

/** Size of a piece, in bytes: at 20 kB/s it arrives before the wait for an answer ends. */
const PIECE_BYTES = 256 * 1024;
/** Longest wait for the browser's database, which now and then never answers: an upload goes on without it. */
const KEEP_MS = 2_000;

/** The files of one draft: uploaded piece by piece as soon as they are attached, and kept until they are sent or taken away. */
export class Files {
  readonly list = new Store<readonly Attached[]>([]);
  readonly #kept = new Map<string, KeptFile>();
  readonly #api: Api;
  readonly #draft: string;
  readonly #timing: Timing;
  readonly #keeping: Keeping;
  readonly #wakers = new Set<() => void>();
  #stopped = false;
  #unwatch: () => void = () => {};

  constructor(api: Api, draft: string, timing: Timing = browserTiming, where: Keeping = keeping) {
    this.#api = api;
    this.#draft = draft;
    this.#timing = timing;
    this.#keeping = where;
  }

  /** Takes up what a page before this one has left. */
  async start(): Promise<void> {
    this.#unwatch = this.#keeping.watch(
      // Written down once more by an upload that ended here in that moment, it would come back with the next page.
      (id) => (this.#kept.has(id) ? this.remove(id) : undefined),
      (draft) => (draft === this.#draft ? void this.#take((file) => file.sha256 !== null) : undefined),
    );
    await this.#take(() => true);
  }

  async #take(wanted: (file: KeptFile) => boolean): Promise<void> {
    for (const file of await this.#keeping.all(this.#draft)) {
      if (this.#stopped || this.#kept.has(file.id) || !wanted(file)) continue;
      this.#kept.set(file.id, file);
      this.#show({ ...view(file), phase: file.sha256 === null ? "sending" : "done" });
      if (file.sha256 === null) void this.#send(file);
    }
  }

  /** Attaches files; what cannot be sent is shown with why. */
  async add(files: readonly File[]): Promise<void> {
    for (const file of files) {
      const unfit = this.list.get().length >= LIMITS.maxAttachments ? "tooMany" : await check(file);
      const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
      const kept: KeptFile = { id, draft: this.#draft, name: fileName(file.name), mediaType: file.type || "text/plain", sizeBytes: file.size, bytes: file, upload: null, sha256: null, atMs: this.#timing.now() };
      if (unfit !== null) {
        this.#show({ ...view(kept), preview: null, phase: "failed", why: unfit });
        continue;
      }
      this.#kept.set(id, kept);
      this.#show(view(kept));
      // On disk first: an attachment that is seen is an attachment that stays.
      void this.#keep(kept).then(() => this.#send(kept));
    }
  }

  /** Attaches what is at the hub already: files of a message that is to be sent in another way. */
  adopt(attachments: readonly Attachment[]): void {
    for (const { blob, name, mediaType, sizeBytes } of attachments) {
      if (this.list.get().some(({ sha256 }) => sha256 === blob)) continue;
      const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
      const kept: KeptFile = { id, draft: this.#draft, name, mediaType, sizeBytes, bytes: null, upload: null, sha256: blob, atMs: this.#timing.now() };
      if (this.list.get().length >= LIMITS.maxAttachments) {
        this.#show({ ...view(kept), sha256: null, phase: "failed", why: "tooMany" });
        continue;
      }
      this.#kept.set(id, kept);
      this.#show({ ...view(kept), receivedBytes: sizeBytes, phase: "done" });
      void this.#keeping.put(kept);
    }
  }

  /** Takes a file away; what of it is at the hub goes by itself after its time. */
  remove(id: string): void {
    const gone = this.list.get().find((file) => file.id === id);
    if (gone?.preview?.startsWith("blob:")) URL.revokeObjectURL(gone.preview);
    this.#kept.delete(id);
    void this.#keeping.drop(id);
    this.list.set(this.list.get().filter((file) => file.id !== id));
    this.wake();
  }

  /** What is attached, for a prompt, once all of it is at the hub. */
  attachments(): Attachment[] {
    return this.list.get().flatMap(({ sha256, name, mediaType, sizeBytes }) => (sha256 === null ? [] : [{ blob: sha256, name, mediaType, sizeBytes }]));
  }

  /** The prompt is on its way: the draft has no files any more. */
  clear(): void {
    for (const { id } of this.list.get()) this.remove(id);
  }

  /** The network may be back. */
  wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }

  stop(): void {
    this.#stopped = true;
    this.#unwatch();
    this.wake();
  }

  async #send(file: KeptFile): Promise<void> {
    for (let attempt = 0; this.#there(file); ) {
      try {
        const state = file.upload === null ? await this.#begin(file) : await this.#api.upload(file.upload);
        await this.#pieces(file, state);
        return;
      } catch (error) {
        if (!this.#there(file)) return;
        const problem = error instanceof ApiError ? error.problem : null;
        // The hub has forgotten the upload (a day has passed): it begins anew.
        if (problem?.code === "not_found" && file.upload !== null) file.upload = null;
        else if (problem && problem.status < 500 && problem.code !== "upload_offset" && problem.code !== "rate_limited") {
          this.#change(file.id, { phase: "failed", why: problem.code });
          return;
        } else {
          attempt += 1;
          this.#change(file.id, { phase: "waiting" });
          await this.#pause(attempt, error instanceof ApiError ? error.retryAfterMs : null);
          this.#change(file.id, { phase: "sending" });
        }
      }
    }
  }

  async #begin(file: KeptFile): Promise<UploadState> {
    const state = await this.#api.beginUpload({ name: file.name, mediaType: file.mediaType, sizeBytes: file.sizeBytes });
    file.upload = state.upload;
    if (this.#there(file)) await this.#keep(file);
    return state;
  }

  /** Sends what the hub does not have; where it stands is what it said last, whatever this page believed. */
  async #pieces(file: KeptFile, from: UploadState): Promise<void> {
    let state = from;
    while (state.blob === null) {
      if (!this.#there(file)) return;
      if (file.bytes === null) throw new Error("a file without bytes that the hub does not have whole");
      this.#change(file.id, { receivedBytes: state.receivedBytes });
      const piece = file.bytes.slice(state.receivedBytes, state.receivedBytes + PIECE_BYTES);
      try {
        state = await this.#api.uploadPiece(state.upload, state.receivedBytes, piece);
      } catch (error) {
        if (!(error instanceof ApiError) || error.problem.code !== "upload_offset") throw error;
        state = await this.#api.upload(state.upload);
      }
    }
    if (!this.#there(file)) return;
    const { sha256, mediaType, sizeBytes } = state.blob;
    Object.assign(file, { sha256, mediaType, bytes: null });
    this.#change(file.id, { phase: "done", sha256, mediaType, receivedBytes: sizeBytes });
    await this.#keep(file);
    // Taken away or sent in the meantime: it must not come back with the next page.
    if (!this.#there(file)) await this.#keeping.drop(file.id);
  }

  /** Writes it down, if the browser does so within its time. */
  #keep(file: KeptFile): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#timing.after(KEEP_MS, resolve);
      void this.#keeping.put(file).finally(() => {
        stop();
        resolve();
      });
    });
  }

  #there(file: KeptFile): boolean {
    return !this.#stopped && this.#kept.get(file.id) === file;
  }

  #pause(attempt: number, least: number | null): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        stop();
        this.#wakers.delete(done);
        resolve();
      };
      const stop = this.#timing.after(Math.max(500, least ?? 0, pauseMs(attempt, this.#timing.random())), done);
      this.#wakers.add(done);
    });
  }

  #show(file: Attached): void {
    this.list.set([...this.list.get(), file]);
  }

  #change(id: string, change: Partial<Attached>): void {
    this.list.set(this.list.get().map((file) => (file.id === id ? { ...file, ...change } : file)));
  }
}

/** The files of all drafts of this page: an upload goes on when its screen is left. */
export class FileRoom {
  readonly #drafts = new Map<string, Files>();
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  of(draft: string): Files {
    let files = this.#drafts.get(draft);
    if (!files) {
      files = new Files(this.#api, draft);
      this.#drafts.set(draft, files);
      void files.start();
    }
    return files;
  }

  /** The network is back. */
  wake(): void {
    for (const files of this.#drafts.values()) files.wake();
  }

  stop(): void {
    for (const files of this.#drafts.values()) files.stop();
    this.#drafts.clear();
  }
}

function view(file: KeptFile): Attached {
  const image = file.mediaType.startsWith("image/");
  const preview = !image ? null : file.bytes !== null ? URL.createObjectURL(file.bytes) : file.sha256 !== null ? `/v1/blobs/${file.sha256}` : null;
  return { id: file.id, name: file.name, mediaType: file.mediaType, sizeBytes: file.sizeBytes, receivedBytes: 0, phase: "sending", why: null, sha256: file.sha256, preview };
}
