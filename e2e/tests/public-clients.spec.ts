// The published Durable Streams clients, as they are, against the real program: no browser, and nothing of ours in between.

import path from "node:path";
import { DurableStream } from "@durable-streams/client";
import { type ChangeEvent, MaterializedState, type StateEvent, isChangeEvent } from "@durable-streams/state";
import { type CollectionDefinition, createStateSchema, createStreamDB } from "@durable-streams/state/db";
import { expect, test } from "../support/fixtures.ts";
import { ReadyProgram } from "../support/ready-line.ts";

type Json = Record<string, unknown>;

/** Rows of any shape, one collection for each type, by the key of the fact. */
function collections(types: string[]): Record<string, CollectionDefinition<Json>> {
  const anything = { "~standard": { version: 1 as const, vendor: "towline-e2e", validate: (value: unknown) => ({ value: value as Json }) } };
  return Object.fromEntries(types.map((type) => [type, { type, primaryKey: "_key", schema: anything }]));
}

function database(url: string, headers: Record<string, string>, types: string[]) {
  return createStreamDB({ streamOptions: { url, headers, contentType: "application/json" }, state: createStateSchema(collections(types)) });
}

/** What a collection holds, by key, without what the client adds. */
function held(db: ReturnType<typeof database>, type: string): Map<string, Json> {
  const rows = db.collections[type]?.toArray ?? [];
  const own = (name: string) => name !== "_key" && name !== "_seq" && !name.startsWith("$");
  return new Map(rows.map((row) => [String(row._key), Object.fromEntries(Object.entries(row).filter(([name]) => own(name)))]));
}

/** The facts of a stream, read once from an offset to its end. */
async function facts(url: string, headers: Record<string, string>, offset = "-1"): Promise<ChangeEvent<Json>[]> {
  const response = await new DurableStream({ url, headers }).stream<StateEvent<Json>>({ offset, live: false, json: true });
  return (await response.json<StateEvent<Json>>()).filter((event) => isChangeEvent(event));
}

test("a feed and a journal are materialised by the published clients, across a kill and a restart", async ({ towline, project, request }) => {
  const LISTS = ["host", "project", "session", "device", "read_mark"];
  const claim = await request.post(`${towline.ready.url}/v1/pairings/claim`, {
    data: { code: towline.ready.code, name: "public client", platform: "test", kind: "program", publicKey: null },
  });
  const { pairing, claimToken } = (await claim.json()) as Record<string, string>;
  const status = await request.post(`${towline.ready.url}/v1/pairings/status`, { data: { pairing, claimToken, waitMs: 10_000 } });
  const { credential } = (await status.json()) as { credential: string };
  const headers = { authorization: `Bearer ${credential}` };
  const ask = async (path: string) => (await (await request.get(`${towline.ready.url}${path}`, { headers })).json()) as Json;
  const { account } = await ask("/v1/me");

  const feed = database(`${towline.ready.url}/v1/stream/accounts/${account}/feed`, headers, LISTS);
  await feed.preload();
  expect(held(feed, "host").size).toBe(1);
  await towline.run("send", "--project", project, "--agent", "demo", "[[words 5]]", "--follow");
  await expect.poll(() => held(feed, "session").size).toBe(1);
  const [session] = [...held(feed, "session").keys()];

  const journal = database(`${towline.ready.url}/v1/stream/sessions/${session}/journal`, headers, ["turn", "item", "approval"]);
  await journal.preload();
  await expect.poll(() => [...held(journal, "turn").values()].map((turn) => turn.state)).toEqual(["completed"]);
  const said = () => [...held(journal, "item").values()].map((item) => (item.content as Json).text);
  expect(said()).toContain("[[words 5]]");

  // The clients are not told: they find their way back themselves, and go on where they were.
  await towline.kill9();
  await towline.restart();
  await towline.run("send", "--session", String(session), "[[words 7]]", "--follow");
  await expect.poll(() => [...held(journal, "turn").values()].map((turn) => turn.state), { timeout: 45_000 }).toEqual(["completed", "completed"]);
  expect(said()).toContain("[[words 7]]");

  // What they hold is what the node says, and what one holds that comes only now.
  const settled = async () => ((await ask("/v1/lists")).facts as { type: string; key: string; value: Json }[]).filter(({ type }) => LISTS.includes(type));
  const expected = (await settled()).map(({ type, key, value }) => [`${type}/${key}`, value]);
  const now = (db: ReturnType<typeof database>) => LISTS.flatMap((type) => [...held(db, type)].map(([key, row]) => [`${type}/${key}`, row]));
  const sorted = (rows: unknown[][]) => rows.toSorted(([a], [b]) => String(a).localeCompare(String(b)));
  await expect.poll(() => sorted(now(feed)), { timeout: 45_000 }).toEqual(sorted(expected));
  const fresh = database(`${towline.ready.url}/v1/stream/accounts/${account}/feed`, headers, LISTS);
  await fresh.preload();
  expect(sorted(now(fresh))).toEqual(sorted(expected));
  const late = database(`${towline.ready.url}/v1/stream/sessions/${session}/journal`, headers, ["turn", "item", "approval"]);
  await late.preload();
  for (const type of ["turn", "item", "approval"]) expect(held(late, type)).toEqual(held(journal, type));
  for (const db of [feed, journal, fresh, late]) db.close();
});

/** The program as a server of streams and nothing else; the test's end is its end. */
const withStreams = test.extend<{ streams: string }>({
  streams: async ({ folder }, use) => {
    const { TOWLINE_BIN } = process.env;
    if (!TOWLINE_BIN) throw new Error("TOWLINE_BIN is not set");
    const server = await ReadyProgram.start({
      program: path.resolve(TOWLINE_BIN),
      args: ["--data-dir", path.join(folder, "streams"), "--json", "streams", "--open", "--listen", "127.0.0.1:0", "--compact", "state/**", "--keep-every", "200ms"],
      env: { PATH: "/usr/bin:/bin", HOME: folder },
    });
    await use(String(server.ready.url));
    await server.stop();
  },
});

withStreams("a compacted stream ends in the same state for who starts fresh and for who resumes from any offset", async ({ streams }) => {
  const url = `${streams}/v1/stream/state/rows`;
  const put = await fetch(url, { method: "PUT", headers: { "content-type": "application/json" } });
  expect(put.status).toBe(201);

  // Each step: what is said, and where the stream then ends. Whoever stops reading there has heard the steps so far.
  const steps: { event: ChangeEvent<Json>; offset: string }[] = [];
  const say = async (key: string, value: Json | null) => {
    const known = steps.some(({ event }) => event.key === key);
    const event: ChangeEvent<Json> = value ? { type: "row", key, value, headers: { operation: known ? "update" : "insert" } } : { type: "row", key, headers: { operation: "delete" } };
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(event) });
    expect(response.status).toBe(204);
    steps.push({ event, offset: response.headers.get("stream-next-offset") ?? "" });
  };
  for (let step = 0; step < 240; step += 1) {
    const key = `k${(step * 7) % 12}`;
    await say(key, step % 11 === 10 ? null : { step, text: "x".repeat(1_400) });
  }
  // Compacted by itself, while nobody asks: at most what came since, less than 64 KiB, is there besides the newest facts and the deletions.
  await expect.poll(async () => (await facts(url, {})).length, { timeout: 30_000 }).toBeLessThan(120);
  // Every field each time, as our own facts do: this client's database joins the fields of an update to those that were there.
  for (let step = 240; step < 250; step += 1) await say(`k${step % 5}`, { step, text: "" });

  const fold = (events: ChangeEvent<Json>[], state = new MaterializedState()) => {
    state.applyBatch(events);
    return new Map([...state.getType("row")].toSorted(([a], [b]) => a.localeCompare(b)));
  };
  const end = fold(steps.map(({ event }) => event));
  expect(fold(await facts(url, {}))).toEqual(end);
  for (const [at, { offset }] of steps.entries()) {
    const state = new MaterializedState();
    state.applyBatch(steps.slice(0, at + 1).map(({ event }) => event));
    expect(fold(await facts(url, {}, offset), state), `resumed after step ${at}`).toEqual(end);
  }
  const db = database(url, {}, ["row"]);
  await db.preload();
  expect(new Map([...held(db, "row")].toSorted(([a], [b]) => a.localeCompare(b)))).toEqual(end);
  db.close();
});
