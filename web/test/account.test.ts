import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Hub } from "../src/hub/hub";
import { NO_ROWS } from "../src/hub/feed";
import type { Me } from "../src/protocol/generated";
import { FakeWire } from "./world";
import { wire } from "./wire.generated";

/** A storage that can be looked into. */
class Kept implements Storage {
  readonly all = new Map<string, string>();
  get length(): number {
    return this.all.size;
  }
  clear = (): void => this.all.clear();
  getItem = (key: string): string | null => this.all.get(key) ?? null;
  key = (at: number): string | null => [...this.all.keys()][at] ?? null;
  removeItem = (key: string): void => void this.all.delete(key);
  setItem = (key: string, value: string): void => void this.all.set(key, value);
}

const facts = Object.values(wire["feed-facts"]).filter((fact) => fact.headers.operation !== "delete");
const me: Me = { ...wire["http-bodies"].me, host: "dev_host" };
const local = new Kept();
const session = new Kept();
const dropped: string[] = [];
let enrolled = true;
/** What the hub answers for now instead of anything else. */
let refusal: { code: string; status: number } | null = null;
let wires: FakeWire[] = [];
/** Who listens to what other tabs do to the storage. */
const tabs = new Set<(event: object) => void>();

beforeEach(() => {
  enrolled = true;
  refusal = null;
  wires = [];
  local.clear();
  session.clear();
  dropped.length = 0;
  tabs.clear();
  const page = {
    addEventListener: (name: string, call: (event: object) => void) => void (name === "storage" && tabs.add(call)),
    removeEventListener: (_: string, call: (event: object) => void) => void tabs.delete(call),
    localStorage: local, sessionStorage: session, visibilityState: "visible" };
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", page);
  vi.stubGlobal("localStorage", local);
  vi.stubGlobal("location", { protocol: "http:", host: "10.0.0.1:4437" });
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("indexedDB", { deleteDatabase: (name: string) => void dropped.push(name) });
  vi.stubGlobal(
    "WebSocket",
    class extends FakeWire {
      constructor() {
        super();
        wires.push(this);
      }
    },
  );
  vi.stubGlobal("fetch", (path: string) => {
    if (refusal) return Promise.resolve(Response.json({ ...wire["http-bodies"].problem, ...refusal }, { status: refusal.status }));
    if (!enrolled) return Promise.resolve(Response.json({ ...wire["http-bodies"].problem, code: "unauthenticated", status: 401 }, { status: 401 }));
    const body = path.endsWith("/me") ? me : { facts, offset: wire["http-bodies"].lists.offset };
    return Promise.resolve(Response.json(body));
  });
});

afterEach(() => vi.unstubAllGlobals());

async function begun(): Promise<Hub> {
  const hub = new Hub();
  await hub.start();
  wires.at(-1)?.welcome(me.account, me.device);
  await vi.waitFor(() => expect(hub.rows.get().session.size).toBeGreaterThan(0));
  hub.post("dev_host", { kind: "send_prompt", session: "ses_1", content: { text: "CANARY", attachments: [] } });
  hub.drafts.set("ses_1", "CANARY");
  expect(JSON.stringify([...local.all])).toContain("CANARY");
  local.setItem("of-another-page", "stays");
  return hub;
}

function nothingLeft(hub: Hub): void {
  expect(hub.phase.get()).toBe("unpaired");
  expect(hub.rows.get()).toBe(NO_ROWS);
  expect(hub.sent.get().size).toBe(0);
  expect(hub.me.get()).toBeNull();
  expect([...local.all.keys()]).toEqual(["of-another-page"]);
  expect(session.all.size).toBe(0);
  expect(dropped).toEqual(["towline", "towline-files"]);
  expect(wires.every((each) => each.closed)).toBe(true);
}

it("a device that signs out keeps nothing of its account, in memory or in storage (W-119)", async () => {
  const hub = await begun();
  hub.unpair();
  nothingLeft(hub);
  // What comes late is of nobody.
  hub.post("dev_host", { kind: "send_prompt", session: "ses_1", content: { text: "CANARY", attachments: [] } });
  // So does a screen that is taken away with something typed in it.
  hub.drafts.set("ses_1", "CANARY");
  await Promise.resolve();
  nothingLeft(hub);
});

it("so does one that was revoked while its socket was open", async () => {
  const hub = await begun();
  wires.at(-1)?.onclose?.({ code: 4401 });
  nothingLeft(hub);
});

it("so does one that finds out over HTTP", async () => {
  const hub = await begun();
  enrolled = false;
  await expect(hub.api.me()).rejects.toThrow();
  nothingLeft(hub);
});

it("the next account begins with nothing of the last", async () => {
  (await begun()).unpair();
  const next = new Hub();
  await next.start();
  wires.at(-1)?.welcome(me.account, me.device);
  expect(wires.at(-1)?.all("command")).toEqual([]);
  expect(next.sent.get().size).toBe(0);
  next.stop();
});

describe("a page of an earlier enrolment", () => {
  const device = (id: string): string => JSON.stringify({ atMs: Date.now(), text: id });
  const reload = vi.fn();
  beforeEach(() => {
    reload.mockClear();
    vi.stubGlobal("location", { protocol: "http:", host: "10.0.0.1:4437", reload });
  });
  const over = (hub: Hub): void => {
    expect(reload).toHaveBeenCalledOnce();
    expect([hub.rows.get(), hub.me.get(), hub.sent.get().size, hub.phase.get()]).toEqual([NO_ROWS, null, 0, "starting"]);
    expect(wires.every((each) => each.closed)).toBe(true);
    expect(dropped).toEqual([]);
  };

  it("begins anew when the hub knows it as another device, and sends that one nothing", async () => {
    const hub = await begun();
    vi.useFakeTimers();
    wires.at(-1)?.onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(2_000);
    const before = new Map(local.all);
    expect(wires).toHaveLength(2);
    wires.at(-1)?.welcome(me.account, "dev_other");
    expect([...(wires.at(-1)?.all("command") ?? []), ...(wires.at(-1)?.all("subscribe") ?? [])]).toEqual([]);
    expect(local.all).toEqual(before);
    over(hub);
    vi.useRealTimers();
  });

  it("begins anew as soon as another tab signs out, without a network", async () => {
    const hub = await begun();
    const oldValue = local.getItem("towline.device");
    expect(oldValue).toContain(me.device);
    local.removeItem("towline.device");
    for (const call of [...tabs]) call({ key: "towline.device", oldValue, newValue: null });
    over(hub);
  });

  it("takes nothing away that the next one has kept, when it hears late that it was signed out", async () => {
    const hub = await begun();
    local.clear();
    local.setItem("towline.device", device("dev_other"));
    local.setItem("towline.draft.new", device("of the next"));
    const before = new Map(local.all);
    wires.at(-1)?.onclose?.({ code: 4401 });
    expect(local.all).toEqual(before);
    over(hub);
  });
});

describe("a refusal that passes takes no word away", () => {
  it("a login page of something on the way, in the middle", async () => {
    const hub = await begun();
    const before = new Map(local.all);
    vi.stubGlobal("fetch", () => Promise.resolve(new Response("<html>Log in</html>", { status: 401 })));
    await expect(hub.api.me()).rejects.toThrow();
    expect(hub.phase.get()).toBe("ready");
    expect(local.all).toEqual(before);
    hub.stop();
  });

  it.each([
    ["remote_access_disabled", 403, "shut"],
    ["rate_limited", 429, "unreachable"],
    ["host_not_allowed", 421, "unreachable"],
    ["shutting_down", 503, "unreachable"],
  ] as const)("%s at the start", async (code, status, phase) => {
    (await begun()).stop();
    const before = new Map(local.all);
    refusal = { code, status };
    const hub = new Hub();
    await hub.start();
    expect(hub.phase.get()).toBe(phase);
    expect(local.all).toEqual(before);
    expect(dropped).toEqual([]);
    hub.stop();
  });

  it("remote access that is switched off while the page is open, until it is on again", async () => {
    const reload = vi.fn();
    vi.stubGlobal("location", { protocol: "http:", host: "10.0.0.1:4437", reload });
    const hub = await begun();
    const before = new Map(local.all);
    refusal = { code: "remote_access_disabled", status: 403 };
    vi.useFakeTimers();
    wires.at(-1)?.onclose?.({ code: 4403 });
    await vi.advanceTimersByTimeAsync(12_000);
    expect(hub.phase.get()).toBe("shut");
    expect(reload).not.toHaveBeenCalled();
    refusal = null;
    await vi.advanceTimersByTimeAsync(6_000);
    expect(reload).toHaveBeenCalledOnce();
    expect(local.all).toEqual(before);
    vi.useRealTimers();
    hub.stop();
  });
});
