import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startFakeModel } from "./http.mjs";

/** @type {Awaited<ReturnType<typeof startFakeModel>>} */
let server;
/** @type {string} */
let folder;
let base = "";
const logFile = () => path.join(folder, "log.jsonl");

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fake-model-"));
  server = await startFakeModel({ logFile: logFile(), seed: "t" });
  base = `http://127.0.0.1:${server.port}`;
});
after(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/**
 * @param {unknown} content
 * @param {Record<string, unknown>} [more]
 */
function ask(content, more = {}, signal = AbortSignal.timeout(10_000)) {
  const messages = Array.isArray(content) ? content : [{ role: "user", content }];
  const body = JSON.stringify({ model: "m", stream: true, tools: [{ name: "Bash" }, { name: "Write" }], messages, ...more });
  return fetch(`${base}/v1/messages?beta=true`, { method: "POST", body, signal, headers: { "content-type": "application/json" } });
}

/** @param {string} text @returns {any[]} */
function events(text) {
  const found = text.split("\n\n").filter(Boolean).map((frame) => /^event: (.*)\ndata: (.*)$/s.exec(frame));
  return found.map((match) => {
    const data = JSON.parse(match?.[2] ?? "null");
    assert.equal(data.type, match?.[1]);
    return data;
  });
}

async function logged() {
  return (await readFile(logFile(), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
}

test("a stream has the vendor's frame: blocks open, grow and close in order", async () => {
  const all = events(await (await ask("[[rate 0]] [[think 2]] [[say hello there]] [[tool bash ls]]")).text());
  const kinds = all.map((e) => (e.type === "content_block_delta" ? e.delta.type : e.type));
  const block = (/** @type {string[]} */ ...deltas) => ["content_block_start", ...deltas, "content_block_stop"];
  assert.deepEqual(kinds, [
    "message_start",
    "ping",
    ...block("thinking_delta", "thinking_delta", "signature_delta"),
    ...block("text_delta", "text_delta"),
    ...block("input_json_delta", "input_json_delta", "input_json_delta"),
    "message_delta",
    "message_stop",
  ]);
  const input = all.filter((e) => e.delta?.type === "input_json_delta").map((e) => e.delta.partial_json).join("");
  assert.equal(JSON.parse(input).command, "ls");
  assert.deepEqual(all.filter((e) => e.type === "content_block_start").map((e) => e.index), [0, 1, 2]);
  assert.equal(all.at(-2).delta.stop_reason, "tool_use");
});

test("the usage asked for is reported at both ends", async () => {
  const all = events(await (await ask("[[usage 5 6]] [[say x]]")).text());
  assert.equal(all[0].message.usage.input_tokens, 5);
  assert.equal(all.at(-2).usage.output_tokens, 6);
});

test("a plain request gets the same answer as one JSON body", async () => {
  const answer = /** @type {any} */ (await (await ask("[[think 1]] [[say a b]] [[tool write /x y]]", { stream: false })).json());
  assert.deepEqual(answer.content.map((/** @type {any} */ b) => b.type), ["thinking", "text", "tool_use"]);
  assert.equal(answer.content[1].text, "a b");
  assert.deepEqual(answer.content[2].input, { file_path: "/x", content: "y\n" });
  assert.equal(answer.stop_reason, "tool_use");
});

test("deltas leave one by one at the rate asked for", async () => {
  const askedAt = performance.now();
  const response = await ask("[[rate 60]] [[text 6]]");
  let packets = 0;
  const decoder = new TextDecoder();
  for await (const part of response.body ?? []) {
    if (decoder.decode(/** @type {Uint8Array} */ (part)).includes("text_delta")) packets += 1;
  }
  // A busy machine may read two at once, but never sooner than they were sent.
  assert.ok(packets >= 3, `${packets} packets`);
  assert.ok(performance.now() - askedAt >= 5 * 59);
});

test("a history with results moves the script on; the same request twice gives the same text", async () => {
  const history = [
    { role: "user", content: [{ type: "text", text: "<system-reminder>[[say no]]</system-reminder>" }, { type: "text", text: "[[tool bash a]] [[say after]]" }] },
    { role: "assistant", content: [{ type: "tool_use", id: "1", name: "Bash", input: {} }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "1", content: [{ type: "text", text: "out" }] }] },
  ];
  const texts = [];
  for (let i = 0; i < 2; i += 1) texts.push(/** @type {any} */ (await (await ask(history, { stream: false })).json()).content[0].text);
  assert.deepEqual(texts, ["after", "after"]);
});

test("errors carry the vendor's type and stop after their count", async () => {
  const statuses = [];
  for (let i = 0; i < 3; i += 1) {
    const response = await ask("[[error 529 x2]] [[say fine]]");
    statuses.push(response.status);
    const text = await response.text();
    if (i < 2) assert.equal(JSON.parse(text).error.type, "overloaded_error");
    else assert.ok(text.includes("fine"));
  }
  assert.deepEqual(statuses, [529, 529, 200]);
});

test("an error after text is an event of the stream", async () => {
  const all = events(await (await ask("[[say a]] [[error 500]]")).text());
  assert.equal(all.at(-1).error.type, "api_error");
});

test("disconnect cuts the stream after what was said", async () => {
  const response = await ask("[[say partial]] [[disconnect x1]] [[say whole]]");
  let text = "";
  await assert.rejects(async () => {
    for await (const part of response.body ?? []) text += Buffer.from(/** @type {Uint8Array} */ (part)).toString();
  });
  assert.ok(text.includes("partial") && !text.includes("whole"));
  assert.ok((await (await ask("[[say partial]] [[disconnect x1]] [[say whole]]")).text()).includes("whole"));
});

test("hang is silent until the client leaves, which is logged", async () => {
  const controller = new AbortController();
  const response = await ask("hang-test [[say a]] [[hang]]", {}, controller.signal);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  let text = "";
  while (!text.includes("text_delta")) text += Buffer.from((await reader.read()).value ?? []).toString();
  controller.abort();
  await reader.read().catch(() => {});
  for (let tries = 0; tries < 100; tries += 1) {
    const lines = await logged();
    const number = lines.find((l) => l.event === "request" && l.prompt?.startsWith("hang-test")).request;
    const end = lines.find((l) => l.event === "response" && l.request === number);
    if (end) return assert.equal(end.how, "client_gone");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail("the end was not logged");
});

test("hold waits in the middle until the place is opened, which then stays open", async () => {
  const response = await ask("[[rate 0]] [[say before]] [[hold here]] [[say after]]");
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  let text = "";
  while (!text.includes("before")) text += Buffer.from((await reader.read()).value ?? []).toString();
  const next = reader.read();
  assert.equal(await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 100, "held"))]), "held");
  assert.equal((await fetch(`${base}/hold/here`, { method: "POST" })).status, 200);
  text += Buffer.from((await next).value ?? []).toString();
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += Buffer.from(part.value).toString();
  assert.ok(text.includes("after"));
  assert.ok((await (await ask("[[say again]] [[hold here]] [[say through]]")).text()).includes("through"));
  assert.equal((await ask("[[hold No Name]]")).status, 400);
});

test("side requests, counts, models, health and unknown paths", async () => {
  const titled = /** @type {any} */ (await (await ask("[[error 500]]", { stream: false, tools: [], system: "Write a short title" })).json());
  assert.equal(JSON.parse(titled.content[0].text).title, "Fake title");
  const post = (/** @type {string} */ to, /** @type {string} */ body) => fetch(base + to, { method: "POST", body });
  assert.ok(/** @type {any} */ (await (await post("/v1/messages/count_tokens?beta=true", '{"messages":[]}')).json()).input_tokens > 0);
  const models = /** @type {any} */ (await (await fetch(`${base}/v1/models?limit=2`)).json());
  assert.equal((await fetch(`${base}/v1/models/${models.data[0].id}`)).status, 200);
  assert.equal((await fetch(`${base}/v1/models/none`)).status, 404);
  assert.equal((await fetch(`${base}/`, { method: "HEAD" })).status, 200);
  assert.equal((await fetch(`${base}/v1/nothing`)).status, 404);
  assert.equal((await post("/v1/messages", "{")).status, 400);
  const typo = await ask("[[txet 3]]");
  assert.equal(typo.status, 400);
  assert.match(await typo.text(), /no directive/);
});

test("the log says when a request came and when its first piece left", async () => {
  const beforeMs = Date.now();
  await (await ask("log-test [[delay 40]] [[say a]]")).text();
  const lines = await logged();
  const request = lines.findLast((l) => l.event === "request");
  const response = lines.findLast((l) => l.event === "response");
  assert.match(request.prompt, /^log-test/);
  assert.ok(Math.abs(request.atMs - beforeMs) < 1000);
  assert.ok(response.firstPieceAtMs - request.atMs >= 35);
  assert.ok(response.atMs >= response.firstPieceAtMs);
});

test("the program says its port, listens on loopback only, and ends with its parent's pipe or SIGTERM", async () => {
  const program = fileURLToPath(new URL("./server.mjs", import.meta.url));
  for (const ending of ["stdin", "SIGTERM"]) {
    const child = spawn(process.execPath, [program, "--port", "0"], { stdio: ["pipe", "pipe", "inherit"] });
    const closed = once(child, "close");
    const [line] = await once(child.stdout.setEncoding("utf8"), "data");
    const ready = JSON.parse(line);
    assert.deepEqual([ready.listening, ready.pid], ["127.0.0.1", child.pid]);
    assert.equal((await fetch(`http://127.0.0.1:${ready.port}/`)).status, 200);
    if (process.platform === "linux") await assert.rejects(fetch(`http://127.0.0.2:${ready.port}/`, { signal: AbortSignal.timeout(2000) }));
    if (ending === "stdin") child.stdin.end();
    else child.kill("SIGTERM");
    const [code] = await closed;
    assert.equal(code, 0, ending);
  }
});
