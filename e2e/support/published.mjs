// The published Durable Streams client as a program of its own, so that it can stand where the other clients do: it asks to be let in by a
// code, then says for each session id that it is given what it holds of its journal. Nothing of ours is in between.

import { createInterface } from "node:readline";
import { createStateSchema, createStreamDB } from "@durable-streams/state/db";

const [hub, code] = process.argv.slice(2);
const TYPES = ["turn", "item", "approval"];
/** Rows of any shape. */
const anything = { "~standard": { version: /** @type {const} */ (1), vendor: "towline-e2e", validate: (/** @type {unknown} */ value) => ({ value: /** @type {Record<string, unknown>} */ (value) }) } };

/** @param {string} path @param {object} body @returns {Promise<Record<string, unknown>>} */
async function ask(path, body) {
  const answer = await fetch(`${hub}${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const { pairing, claimToken } = await ask("/v1/pairings/claim", { code, name: "Published client", platform: "test", kind: "program", publicKey: null });
console.log(JSON.stringify({ pairing }));
/** @type {Record<string, unknown>} */
let status = { status: "pending" };
while (status.status === "pending") status = await ask("/v1/pairings/status", { pairing, claimToken, waitMs: 10_000 });
const headers = { authorization: `Bearer ${status.credential}` };

/** @param {string} session */
function database(session) {
  const url = `${hub}/v1/stream/sessions/${session}/journal`;
  const state = createStateSchema(Object.fromEntries(TYPES.map((type) => [type, { type, primaryKey: "_key", schema: anything }])));
  return createStreamDB({ streamOptions: { url, headers, contentType: "application/json" }, state });
}

/** @type {Map<string, ReturnType<typeof database>>} */
const journals = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  let db = journals.get(line);
  if (!db) {
    db = database(line);
    journals.set(line, db);
    await db.preload();
  }
  const rows = (/** @type {string} */ type) => /** @type {Record<string, unknown>[]} */ (db?.collections[type]?.toArray ?? []);
  const own = (/** @type {string} */ name) => name !== "_key" && name !== "_seq" && !name.startsWith("$");
  const facts = TYPES.flatMap((type) =>
    rows(type).map((row) => ({ type, key: row._key, value: Object.fromEntries(Object.entries(row).filter(([name]) => own(name))), headers: { operation: "insert" } })),
  );
  console.log(JSON.stringify(facts));
}
process.exit(0);
