import { afterEach, describe, expect, it, vi } from "vitest";
import { Kept } from "../src/hub/kept";
import { Outbox, waitingWords } from "../src/hub/outbox";
import type { CommandBody, ErrorCode } from "../src/protocol/generated";
import { Base, Box, device } from "./device";
import { type FakeWire, type ManualTime, world } from "./world";

afterEach(() => vi.unstubAllGlobals());

const body = (text: string): CommandBody => ({ kind: "send_prompt", session: "ses_1", content: { text } }) as CommandBody;
/** As many turns of the clock as the longest chain of what is played here needs; how busy the machine is does not matter. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
};

interface Page {
  kept: Kept;
  outbox: Outbox;
  wire: () => FakeWire;
  dial: () => void;
  time: ManualTime;
}

/** A page of this device, started as after a reload. */
async function page(name = "dev_1"): Promise<Page> {
  const kept = new Kept();
  await kept.start();
  const { socket, wire, time } = world();
  const outbox = new Outbox(socket, name, kept, time);
  outbox.start();
  return {
    kept,
    outbox,
    wire,
    time,
    dial: () => {
      socket.start();
      wire().welcome();
    },
  };
}

const ack = (wire: FakeWire, at = 0): void => {
  const frame = wire.all("command")[at];
  wire.say({ type: "ack", req: frame?.req ?? 0, command: frame?.command.id ?? "", state: "queued", expiresAtMs: 9 });
};
const refuse = (wire: FakeWire, req: number | undefined, code: ErrorCode): void =>
  wire.say({ type: "error", req: req ?? 0, sub: null, problem: { status: 500, code, title: "", detail: null, hint: "", requestId: null } });

describe("a message that was typed", () => {
  it("is sent after a reload by the same id, and is gone from the device when the hub has it", async () => {
    const { local, base } = device();
    const id = (await page()).outbox.post("dev_h", body("hello"));
    const next = await page();
    expect(next.outbox.sent.get().get(id)?.phase).toBe("here");
    expect(waitingWords(next.kept)).toEqual(["hello"]);
    next.dial();
    expect(next.wire().all("command")).toMatchObject([{ command: { id, body: { content: { text: "hello" } } } }]);
    ack(next.wire());
    await settle();
    expect(next.outbox.sent.get().get(id)?.phase).toBe("acked");
    // What belonged to it stays until nothing can be done with it any more: the lists have its words only.
    expect(next.outbox.whole(id)).toEqual(body("hello"));
    next.outbox.forget(id);
    next.outbox.tidy((each) => each === id);
    expect((await page()).outbox.whole(id)).toEqual(body("hello"));
    next.outbox.tidy(() => false);
    await settle();
    expect(next.outbox.whole(id)).toBeNull();
    expect([local.length, base?.rows.size]).toEqual([0, 0]);
  });

  it("survives a browser that was killed before its storage was on disk", async () => {
    const { base } = device();
    const id = (await page()).outbox.post("dev_h", body("hello"));
    await settle();
    device(new Box(), base);
    const next = await page();
    next.dial();
    expect(next.wire().all("command")).toMatchObject([{ command: { id } }]);
  });

  it("and a reload that was faster than the database", async () => {
    const { local } = device();
    const id = (await page()).outbox.post("dev_h", body("hello"));
    device(local, new Base());
    expect((await page()).outbox.sent.get().has(id)).toBe(true);
  });

  it("does not come back after it was taken back, whichever of the two was slower", async () => {
    const { local, base } = device();
    const first = await page();
    const id = first.outbox.post("dev_h", body("hello"));
    await settle();
    const before = new Base();
    for (const [key, row] of base?.rows ?? []) before.rows.set(key, row);
    expect(first.outbox.withdraw(id)).toBe(true);
    device(local, before);
    expect((await page()).outbox.sent.get().size).toBe(0);
    await vi.waitFor(() => expect([local.length, before.rows.size]).toEqual([0, 0]));
  });

  it("is said to be on this page only where there is no room", async () => {
    const { local, base } = device();
    const { kept, outbox } = await page();
    local.full = true;
    outbox.post("dev_h", body("one"));
    await settle();
    expect(kept.full.get()).toBe(false);
    if (base) base.full = true;
    outbox.post("dev_h", body("two"));
    await settle();
    expect(kept.full.get()).toBe(true);
  });

  it("is written down as soon as there is room, and until then that is said, whatever else is written meanwhile", async () => {
    for (const base of [new Base(), null]) {
      const { local } = device(new Box(), base);
      const { kept, outbox } = await page();
      const whole = JSON.stringify(body("a message of some length")).length;
      kept.set("draft.ses_1", "a message of some length");
      await settle();
      local.room = local.size + whole / 2;
      if (base) base.full = true;
      const id = outbox.post("dev_h", body("a message of some length"));
      await settle();
      kept.set("draft.ses_2", "s");
      await settle();
      // A letter has room, the message has not.
      expect([kept.full.get(), local.getItem(`towline.draft.ses_2`)?.includes("s")]).toEqual([true, true]);
      local.room = Number.POSITIVE_INFINITY;
      kept.remove("draft.ses_1");
      await settle();
      expect([kept.full.get(), local.getItem(`towline.outbox.${id}`)?.includes("some length")]).toEqual([false, true]);
    }
  });

  it("is not lost with what the database takes none of: each is written by itself", async () => {
    const { local, base } = device();
    const { kept } = await page();
    local.full = true;
    kept.set("draft.ses_0", "first in line");
    if (base) base.most = 20;
    kept.set("draft.ses_1", "short");
    kept.set("draft.ses_2", "much too long for what is left");
    await settle();
    expect([...(base?.rows.keys() ?? [])].sort()).toEqual(["draft.ses_0", "draft.ses_1"]);
    expect(kept.full.get()).toBe(true);
    if (base) base.most = Number.POSITIVE_INFINITY;
    kept.remove("draft.ses_1");
    await settle();
    expect([...(base?.rows.keys() ?? [])].sort()).toEqual(["draft.ses_0", "draft.ses_2"]);
    expect(kept.full.get()).toBe(false);
  });

  it("of another device is not sent, and not kept", async () => {
    const { local } = device();
    (await page()).outbox.post("dev_h", body("hello"));
    const other = await page("dev_2");
    expect(other.outbox.sent.get().size).toBe(0);
    await vi.waitFor(() => expect(local.length).toBe(0));
  });
});

describe("the hub's answer", () => {
  it("that it refuses is final, and told", async () => {
    device();
    const { outbox, wire, dial } = await page();
    dial();
    const id = outbox.post("dev_h", body("hello"));
    refuse(wire(), wire().all("command")[0]?.req, "queue_full");
    await settle();
    expect(outbox.sent.get().get(id)).toMatchObject({ phase: "refused", error: "queue_full" });
  });

  it.each(["store_broken", "internal", "rate_limited"] as const)("%s leaves it open: the same command is sent again after a pause", async (code) => {
    device();
    const { outbox, wire, dial, time } = await page();
    dial();
    const id = outbox.post("dev_h", body("hello"));
    refuse(wire(), wire().all("command")[0]?.req, code);
    await settle();
    expect(outbox.sent.get().get(id)).toMatchObject({ phase: "here", error: code });
    expect(wire().all("command")).toHaveLength(1);
    time.pass(1_000);
    await settle();
    expect(wire().all("command").map((frame) => frame.command)).toEqual([wire().all("command")[0]?.command, wire().all("command")[0]?.command]);
    ack(wire(), 1);
    await settle();
    expect(outbox.sent.get().get(id)).toMatchObject({ phase: "acked", error: null });
  });
});

describe("a message that waits", () => {
  it("is changed under its own id while it has never been on its way", async () => {
    device();
    const { outbox, wire, dial } = await page();
    const id = outbox.post("dev_h", body("helo"));
    expect(outbox.edit(id, body("hello"))).toBe(true);
    await settle();
    dial();
    expect(wire().all("command")).toMatchObject([{ command: { id, body: { content: { text: "hello" } } } }]);
    expect(outbox.edit(id, body("too late"))).toBe(false);
  });

  it("is taken back without a word to the hub while it has never been on its way", async () => {
    device();
    const { outbox, wire, dial } = await page();
    const id = outbox.post("dev_h", body("hello"));
    expect(outbox.withdraw(id)).toBe(true);
    await settle();
    dial();
    expect(wire().all("command")).toEqual([]);
    expect(wire().all("cancel_command")).toEqual([]);
  });

  it("that may have arrived is taken back at the hub, also after a reload", async () => {
    device();
    const first = await page();
    first.dial();
    const id = first.outbox.post("dev_h", body("hello"));
    expect(first.outbox.withdraw(id)).toBe(true);
    const next = await page();
    next.dial();
    expect(next.wire().all("command")).toEqual([]);
    const [frame] = next.wire().all("cancel_command");
    expect(frame?.command).toBe(id);
    refuse(next.wire(), frame?.req, "not_found");
    await settle();
    expect(next.outbox.sent.get().size).toBe(0);
  });

  it("that has begun meanwhile stays", async () => {
    device();
    const { outbox, wire, dial } = await page();
    dial();
    const id = outbox.post("dev_h", body("hello"));
    outbox.withdraw(id);
    await settle();
    refuse(wire(), wire().all("cancel_command")[0]?.req, "command_not_cancellable");
    await settle();
    expect(outbox.sent.get().get(id)).toMatchObject({ phase: "acked", withdrawn: false });
  });

  it("was taken back before it came is gone from here, too: no list will ever show it", async () => {
    const { local, base } = device();
    const { outbox, wire, dial } = await page();
    dial();
    const id = outbox.post("dev_h", body("hello"));
    wire().say({ type: "ack", req: wire().all("command")[0]?.req ?? 0, command: id, state: "cancelled", expiresAtMs: 9 });
    await settle();
    expect(outbox.sent.get().size).toBe(0);
    outbox.tidy(() => false);
    await vi.waitFor(() => expect([local.length, base?.rows.size]).toEqual([0, 0]));
  });

  it("at the hub gives its place to a new one only once it was taken back", async () => {
    device();
    const { outbox, wire, dial } = await page();
    dial();
    const id = outbox.post("dev_h", body("first words"), null, "cmd_old");
    const [cancel] = wire().all("cancel_command");
    expect([cancel?.command, wire().all("command").length]).toEqual(["cmd_old", 0]);
    wire().say({ type: "ack", req: cancel?.req ?? 0, command: "cmd_old", state: "cancelled", expiresAtMs: 9 });
    await settle();
    expect(wire().all("command")).toMatchObject([{ command: { id } }]);

    const late = outbox.post("dev_h", body("second words"), null, "cmd_begun");
    refuse(wire(), wire().all("cancel_command")[1]?.req, "command_not_cancellable");
    await settle();
    expect(outbox.sent.get().get(late)).toMatchObject({ phase: "refused", error: "command_not_cancellable" });
    expect(wire().all("command")).toHaveLength(1);

    // It was handed over already: its machine says whether it has begun, and until then both might run.
    // Taken back at once, although its words wait for the first ones.
    const later = outbox.post("dev_h", body("third words"), null, "cmd_leased");
    wire().say({ type: "ack", req: wire().all("cancel_command")[2]?.req ?? 0, command: "cmd_leased", state: "leased", expiresAtMs: 9 });
    await settle();
    expect(outbox.sent.get().get(later)).toMatchObject({ phase: "refused", error: "command_not_cancellable" });
    expect(wire().all("command")).toHaveLength(1);
  });

  it("shows in every tab, and goes from every tab", async () => {
    const { local, tell } = device();
    const one = await page();
    const two = await page();
    const id = one.outbox.post("dev_h", body("hello"));
    tell(`towline.outbox.${id}`);
    expect(two.outbox.sent.get().get(id)?.phase).toBe("here");
    one.outbox.withdraw(id);
    expect(local.getItem(`towline.outbox.${id}`)).not.toContain("hello");
    tell(`towline.outbox.${id}`);
    expect(two.outbox.sent.get().size).toBe(0);
    two.dial();
    expect(two.wire().all("command")).toEqual([]);
  });
});

describe("the messages of one chat", () => {
  const texts = (wire: FakeWire): unknown[] => wire.all("command").map(({ command }) => (command.body.kind === "send_prompt" ? command.body.content.text : command.body.kind));

  it("go in the order in which they are shown, also after one was changed", async () => {
    device();
    const { outbox, wire, dial } = await page();
    const first = outbox.post("dev_h", body("create the parsr"));
    outbox.post("dev_h", body("now add tests"));
    outbox.post("dev_h", { ...body("elsewhere"), session: "ses_2" } as CommandBody);
    outbox.edit(first, body("create the parser"));
    await settle();
    dial();
    expect(texts(wire()).sort()).toEqual(["create the parser", "elsewhere"]);
    ack(wire(), texts(wire()).indexOf("create the parser"));
    await settle();
    expect(texts(wire()).at(-1)).toBe("now add tests");
  });

  it("wait for the start of their chat, and go when it was taken back or refused", async () => {
    device();
    const start = { kind: "start_session", session: "ses_1", project: "prj", agent: "demo", model: null, mode: null, content: { title: null, text: "begin", attachments: [] } } as CommandBody;
    for (const end of ["withdraw", "refuse"] as const) {
      const { outbox, wire, dial } = await page();
      const first = outbox.post("dev_h", start);
      const second = outbox.post("dev_h", body(end));
      if (end === "withdraw") outbox.withdraw(first);
      dial();
      if (end === "refuse") {
        expect(texts(wire())).toEqual(["start_session"]);
        refuse(wire(), wire().all("command")[0]?.req, "forbidden");
      }
      await settle();
      expect(texts(wire()).at(-1)).toBe(end);
      outbox.forget(first);
      outbox.forget(second);
    }
  });

  it("are not turned round by an answer that leaves one of them open, nor by a reload; a Stop waits for nothing", async () => {
    device();
    const { outbox, wire, dial, time } = await page();
    dial();
    outbox.post("dev_h", body("one"));
    outbox.post("dev_h", body("two"));
    outbox.post("dev_h", { kind: "cancel_turn", session: "ses_1", turn: "trn_1" });
    expect(texts(wire())).toEqual(["one", "cancel_turn"]);
    refuse(wire(), wire().all("command")[0]?.req, "rate_limited");
    await settle();
    expect(texts(wire())).toEqual(["one", "cancel_turn"]);
    const next = await page();
    next.dial();
    expect(texts(next.wire())).toEqual(["one", "cancel_turn"]);
    time.pass(1_000);
    await settle();
    expect(texts(wire())).toEqual(["one", "cancel_turn", "one"]);
    ack(wire(), 2);
    await settle();
    expect(texts(wire()).at(-1)).toBe("two");
  });
});
