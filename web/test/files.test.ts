import { describe, expect, it } from "vitest";
import { type Api, ApiError, Unreachable } from "../src/hub/api";
import { check, fileName } from "../src/session/files/check";
import { Files } from "../src/session/files/files";
import type { KeptFile } from "../src/session/files/keeping";
import { ManualTime } from "./world";

/** A hub that keeps uploads, and loses the network or the answer when it is told to. */
class FakeHub {
  received = 0;
  size = 0;
  pieces: number[] = [];
  fail: (() => Error | null) | null = null;
  /** The bytes arrive, and the answer is lost. */
  deaf = false;

  readonly api = {
    beginUpload: (request: { sizeBytes: number }) => {
      this.size = request.sizeBytes;
      return this.#answer();
    },
    upload: () => this.#answer(),
    uploadPiece: (_: string, offset: number, piece: Blob) => {
      const failed = this.fail?.();
      if (failed) return Promise.reject(failed);
      if (offset !== this.received) return Promise.reject(problem(409, "upload_offset"));
      this.received += piece.size;
      this.pieces.push(piece.size);
      if (this.deaf) {
        this.deaf = false;
        return Promise.reject(new Unreachable("lost"));
      }
      return this.#answer();
    },
  } as unknown as Api;

  #answer(): Promise<object> {
    const whole = this.size > 0 && this.received === this.size;
    return Promise.resolve({ upload: "upl_1", receivedBytes: this.received, blob: whole ? { sha256: "ab".repeat(32), mediaType: "text/plain", sizeBytes: this.size } : null });
  }
}

const problem = (status: number, code: string): ApiError => new ApiError({ status, code, title: "", detail: null, hint: "", requestId: null } as never);
const text = (size: number, name = "notes.txt"): File => new File(["x".repeat(size)], name, { type: "text/plain" });
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((done) => setTimeout(done, 0));
};

/** The tabs of one browser: they share its disk, and tell each other. */
class Disk extends Map<string, KeptFile> {
  readonly tabs = new Set<{ gone(id: string): void; whole(draft: string): void }>();
  /** Whether the browser's database answers. */
  answers = true;
}

function world(hub = new FakeHub(), disk = new Disk()): { hub: FakeHub; time: ManualTime; disk: Disk; files: Files } {
  const time = new ManualTime();
  const tab = { gone: (_: string) => {}, whole: (_: string) => {} };
  disk.tabs.add(tab);
  const tell = (call: (other: typeof tab) => void): void => void setTimeout(() => [...disk.tabs].filter((each) => each !== tab).forEach(call), 0);
  const where = {
    put: (file: KeptFile): Promise<void> => {
      if (!disk.answers) return new Promise(() => {});
      disk.set(file.id, { ...file });
      if (file.sha256 !== null) tell((other) => other.whole(file.draft));
      return Promise.resolve();
    },
    drop: async (id: string) => {
      disk.delete(id);
      tell((other) => other.gone(id));
    },
    watch: (gone: (id: string) => void, whole: (draft: string) => void) => {
      Object.assign(tab, { gone, whole });
      return () => void disk.tabs.delete(tab);
    },
    all: async (draft: string) => [...disk.values()].filter((file) => file.draft === draft).map((file) => ({ ...file })),
  };
  return { hub, time, disk, files: new Files(hub.api, "ses_1", time, where) };
}

describe("a file that is attached", () => {
  it("goes up in pieces and can be sent when it is whole", async () => {
    const { hub, files } = world();
    await files.add([text(600_000)]);
    await settle();
    expect(hub.pieces).toEqual([262_144, 262_144, 75_712]);
    expect(files.list.get()).toMatchObject([{ phase: "done", receivedBytes: 600_000 }]);
    expect(files.attachments()).toEqual([{ blob: "ab".repeat(32), name: "notes.txt", mediaType: "text/plain", sizeBytes: 600_000 }]);
  });

  it("goes on after the network was lost, from where the hub stands, also when only an answer was lost", async () => {
    const { hub, files, time } = world();
    hub.deaf = true;
    await files.add([text(600_000)]);
    await settle();
    expect(files.list.get()[0]?.phase).toBe("waiting");
    expect(files.attachments()).toEqual([]);
    let lost = 1;
    hub.fail = () => (lost-- > 0 ? new Unreachable("lost") : null);
    time.pass(60_000);
    await settle();
    expect(files.list.get()[0]?.phase).toBe("waiting");
    // The browser says that the network is back: nobody waits for a clock.
    files.wake();
    await settle();
    expect(files.list.get()[0]?.phase).toBe("done");
    expect(hub.pieces.reduce((sum, size) => sum + size, 0)).toBe(600_000);
  });

  it("outlives its page, and goes on from where it was", async () => {
    const first = world();
    first.hub.fail = () => (first.hub.pieces.length > 0 ? new Unreachable("lost") : null);
    await first.files.add([text(600_000)]);
    await settle();
    first.files.stop();
    first.hub.fail = null;
    const second = world(first.hub, first.disk);
    await second.files.start();
    await settle();
    expect(second.files.list.get()).toMatchObject([{ phase: "done", name: "notes.txt" }]);
    expect(first.hub.pieces).toEqual([262_144, 262_144, 75_712]);
    const third = world(first.hub, first.disk);
    await third.files.start();
    expect(third.files.attachments()).toHaveLength(1);
    third.files.clear();
    await settle();
    expect(first.disk.size).toBe(0);
  });

  it("that the hub refuses says why and is tried no more", async () => {
    const { hub, files, time } = world();
    hub.fail = () => problem(415, "unsupported");
    await files.add([text(10)]);
    await settle();
    expect(files.list.get()).toMatchObject([{ phase: "failed", why: "unsupported" }]);
    expect(time.waiting).toBe(0);
  });

  it("that is taken away while it goes up does not come back", async () => {
    const { hub, files, disk } = world();
    hub.deaf = true;
    await files.add([text(10)]);
    await settle();
    files.remove(files.list.get()[0]?.id ?? "");
    await settle();
    expect(files.list.get()).toEqual([]);
    expect(disk.size).toBe(0);
  });

  it("goes up where the browser's database never answers, too", async () => {
    const { files, disk, time } = world();
    disk.answers = false;
    await files.add([text(10)]);
    for (let wait = 0; wait < 3; wait += 1) {
      await settle();
      time.pass(2_000);
    }
    await settle();
    expect(files.list.get()).toMatchObject([{ phase: "done" }]);
  });

  it("is attached in all tabs of its chat, and in none once it was sent or taken away in one", async () => {
    const one = world();
    const two = world(one.hub, one.disk);
    await Promise.all([one.files.start(), two.files.start()]);
    await one.files.add([text(10)]);
    await settle();
    expect(two.files.attachments()).toEqual(one.files.attachments());
    expect(two.files.list.get()).toHaveLength(1);
    two.files.clear();
    await settle();
    expect([one.files.list.get(), two.files.list.get(), one.disk.size]).toEqual([[], [], 0]);
  });

  it("does not come back by an upload that ends in another tab after it was sent", async () => {
    const first = world();
    first.hub.deaf = true;
    await first.files.add([text(10)]);
    await settle();
    const second = world(first.hub, first.disk);
    await Promise.all([first.files.start(), second.files.start()]);
    await settle();
    expect([first.files.list.get()[0]?.phase, second.files.list.get()[0]?.phase]).toEqual(["waiting", "done"]);
    second.files.clear();
    first.files.wake();
    await settle();
    expect([first.files.list.get(), first.disk.size]).toEqual([[], 0]);
  });

  it("that is at the hub already is attached without being sent once more, and once", async () => {
    const { files, hub, disk } = world();
    const known = { blob: "cd".repeat(32), name: "shot.png", mediaType: "image/png", sizeBytes: 9 };
    files.adopt([known, known]);
    await settle();
    expect([files.attachments(), hub.pieces, disk.size]).toEqual([[known], [], 1]);
  });

  it("is one of ten at most", async () => {
    const { files } = world();
    await files.add(Array.from({ length: 11 }, (_, n) => text(1, `${n}.txt`)));
    expect(files.list.get().filter((file) => file.why === "tooMany").map((file) => file.name)).toEqual(["10.txt"]);
  });
});

describe("what can be attached", () => {
  it("is told before anything is sent", async () => {
    const file = (bytes: BlobPart, type: string): File => new File([bytes], "f", { type });
    expect(await check(file("", "text/plain"))).toBe("empty");
    expect(await check({ type: "image/png", size: 25_000_001, slice: () => new Blob() })).toBe("tooLarge");
    expect(await check(file("x", "image/png"))).toBeNull();
    expect(await check(file("x", "image/heic"))).toBe("imageKind");
    expect(await check(file(new Uint8Array([0xff, 0xfe, 0]), "application/pdf"))).toBe("kind");
    expect(await check(file("a\0b", ""))).toBe("kind");
    expect(await check(file("fn main() {}", "application/octet-stream"))).toBeNull();
    // A character that is cut at the end of the look.
    expect(await check(file(`${"x".repeat(65_535)}é`, ""))).toBeNull();
  });
  it("has a name that is no path", () => {
    expect([fileName("../../etc/passwd"), fileName("a\nb"), fileName(""), fileName("..")]).toEqual([".._.._etc_passwd", "a_b", "file", "file"]);
    expect([...fileName("é".repeat(300))]).toHaveLength(120);
  });
});
