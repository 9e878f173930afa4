import { afterEach, expect, it, vi } from "vitest";
import { Kept } from "../src/hub/kept";
import { Outbox } from "../src/hub/outbox";
import { Wishes } from "../src/hub/wishes";
import type { CommandBody, CommandState, ErrorCode } from "../src/protocol/generated";
import { device } from "./device";
import { type FakeWire, type ManualTime, world } from "./world";

afterEach(() => vi.unstubAllGlobals());

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
};

async function page(name = "dev_1"): Promise<{ wishes: Wishes; outbox: Outbox; kept: Kept; wire: () => FakeWire; dial(): void; time: ManualTime }> {
  const kept = new Kept();
  await kept.start();
  const { socket, wire, time } = world();
  const [wishes, outbox] = [new Wishes(socket, name, kept, time), new Outbox(socket, name, kept, time)];
  outbox.onKeptBack = (id, why) => wishes.say(id, why);
  wishes.start();
  const dial = (): void => {
    socket.start();
    wire().welcome();
  };
  return { wishes, outbox, kept, wire, dial, time };
}

const answer = (wire: FakeWire, at: number, state: CommandState): void => {
  const frame = wire.all("cancel_command")[at];
  wire.say({ type: "ack", req: frame?.req ?? 0, command: frame?.command ?? "", state, expiresAtMs: 9 });
};
const refuse = (wire: FakeWire, at: number, code: ErrorCode): void =>
  wire.say({ type: "error", req: wire.all("cancel_command")[at]?.req ?? 0, sub: null, problem: { status: 409, code, title: "", detail: null, hint: "", requestId: null } });

it("what is taken back in a tunnel is taken back when the network is there again, also by the next page", async () => {
  const { local, base } = device();
  (await page()).wishes.add("cmd_1");
  await settle();
  const next = await page();
  expect(next.wishes.open.get().get("cmd_1")).toBeNull();
  next.dial();
  expect(next.wire().all("cancel_command").map(({ command }) => command)).toEqual(["cmd_1"]);
  answer(next.wire(), 0, "cancelled");
  await settle();
  // Until the lists say so it is still said to be under way.
  next.wishes.tidy(() => "queued");
  expect([...next.wishes.open.get()]).toEqual([["cmd_1", null]]);
  next.wishes.tidy(() => "cancelled");
  expect(next.wishes.open.get().size).toBe(0);
  await vi.waitFor(() => expect([local.length, base?.rows.size]).toEqual([0, 0]));
});

it("an answer that leaves it open is asked for again, and it is asked for once at a time", async () => {
  device();
  const { wishes, dial, wire, time } = await page();
  dial();
  wishes.add("cmd_1");
  wishes.add("cmd_1");
  refuse(wire(), 0, "rate_limited");
  await settle();
  expect(wire().all("cancel_command")).toHaveLength(1);
  time.pass(1_000);
  await settle();
  expect(wire().all("cancel_command")).toHaveLength(2);
  expect(wishes.open.get().get("cmd_1")).toBeNull();
});

it("what its machine has taken and not begun is taken back there, once; what has begun says so", async () => {
  const { local } = device();
  const { wishes, dial, wire } = await page();
  dial();
  const followed: string[] = [];
  const tidy = (state: CommandState, turn: string | null): void =>
    wishes.tidy(
      () => state,
      () => turn,
      (id, of) => {
        followed.push(`${id} ${of}`);
        // As whoever posts something does.
        tidy(state, turn);
      },
    );
  for (const [id, at, refused] of [["cmd_1", 0, true], ["cmd_2", 1, false]] as const) {
    wishes.add(id);
    if (refused) refuse(wire(), at, "command_not_cancellable");
    else answer(wire(), at, "leased");
    await settle();
    // The lists come a moment later.
    tidy("leased", null);
    tidy("running", null);
    tidy("running", "trn_1");
    tidy("running", "trn_1");
    expect([followed.splice(0), wishes.open.get().get(id)]).toEqual([[`${id} trn_1`], null]);
    tidy("succeeded", "trn_1");
    expect(wishes.open.get().get(id)).toBe("command_not_cancellable");
  }
  await vi.waitFor(() => expect(local.length).toBe(0));
});

it("what is refused for another reason says why at once", async () => {
  device();
  const { wishes, dial, wire } = await page();
  dial();
  wishes.add("cmd_1");
  refuse(wire(), 0, "forbidden");
  await settle();
  expect(wishes.open.get().get("cmd_1")).toBe("forbidden");
});

it("what the hub does not know any more needs no answer, and what another device wanted is not asked for", async () => {
  const { local } = device();
  (await page()).wishes.add("cmd_1");
  const other = await page("dev_2");
  expect(other.wishes.open.get().size).toBe(0);
  await vi.waitFor(() => expect(local.length).toBe(0));
  other.dial();
  other.wishes.add("cmd_3");
  refuse(other.wire(), 0, "not_found");
  await settle();
  other.wishes.tidy(() => undefined);
  expect(other.wishes.open.get().size).toBe(0);
});

it("a message that may have arrived, and had, says what became of its being taken back", async () => {
  device();
  const { wishes, outbox, dial, wire } = await page();
  dial();
  const id = outbox.post("dev_h", { kind: "send_prompt", session: "ses_1", content: { text: "hello" } } as CommandBody);
  outbox.withdraw(id);
  await settle();
  refuse(wire(), 0, "command_not_cancellable");
  await settle();
  expect(wishes.open.get().get(id)).toBeNull();
  wishes.tidy(() => "succeeded");
  expect(wishes.open.get().get(id)).toBe("command_not_cancellable");
});
