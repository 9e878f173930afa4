// The real claude, fetched from npm, against the fake model server: what the server says is what claude understands.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { install } from "../agents/install.mjs";
import { agentsFolder, readPins } from "../agents/pins.mjs";
import { claudeEnvironment } from "../support/claude-environment.mjs";
import { ClaudeProcess } from "../support/claude-process.mjs";
import { startFakeModel } from "./http.mjs";

const RATE_MS = 20;

let program = "";
let folder = "";
let project = "";
/** @type {Awaited<ReturnType<typeof startFakeModel>>} */
let server;
/** @type {ClaudeProcess[]} */
const running = [];

before(async () => {
  const pin = readPins().find((one) => one.name === "claude");
  assert.ok(pin);
  program = await install(pin, { folder: agentsFolder(), say: (line) => console.error(line) });
  folder = await realpath(await mkdtemp(path.join(tmpdir(), "claude-test-")));
  project = path.join(folder, "project");
  await mkdir(project);
  server = await startFakeModel({ logFile: path.join(folder, "log.jsonl") });
});
afterEach(async () => {
  for (const claude of running.splice(0)) await claude.close();
});
after(async () => {
  await server.close();
  await rm(folder, { recursive: true, maxRetries: 5 });
});

/** @param {string[]} [args] */
function claude(args = []) {
  const one = new ClaudeProcess(program, { cwd: project, env: claudeEnvironment({ port: server.port, home: folder }), args });
  running.push(one);
  return one;
}

async function logged() {
  return (await readFile(path.join(folder, "log.jsonl"), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
}

const isThere = (/** @type {string} */ file) => stat(file).then(() => true, () => false);

test("text and thinking arrive piece by piece, with the usage asked for", async () => {
  const one = claude();
  const from = one.prompt(`[[rate ${RATE_MS}]] [[usage 321 12]] [[think 2]] [[say one two three]]`);
  const result = await one.result(from);
  assert.deepEqual(one.textDeltas(from), ["one ", "two ", "three"]);
  const thoughts = one.messages.filter((m) => m.event?.delta?.type === "thinking_delta");
  assert.equal(thoughts.length, 2);
  assert.deepEqual([result.is_error, result.result, result.usage.input_tokens, result.usage.output_tokens], [false, "one two three", 321, 12]);
  const init = one.messages.find((m) => m.type === "system" && m.subtype === "init");
  assert.equal(init?.claude_code_version, readPins()[0]?.version);
});

test("a prompt without directives is echoed", async () => {
  const one = claude();
  const result = await one.result(one.prompt("what now?"));
  assert.equal(result.result, "echo: what now?");
});

test("an allowed write is on disk with the right content, and the script goes on", async () => {
  const one = claude();
  const file = path.join(project, "allowed.txt");
  const from = one.prompt(`[[say before]] [[tool write ${file} first line\nsecond line]] [[say after]]`);
  const asked = await one.permission(from);
  assert.equal(asked.request.tool_name, "Write");
  assert.deepEqual(asked.request.input, { file_path: file, content: "first line\nsecond line\n" });
  assert.equal(await isThere(file), false, "nothing is written before the answer");
  one.answer(asked, { behavior: "allow", updatedInput: asked.request.input });
  assert.equal((await one.result(from)).result, "after");
  assert.equal(await readFile(file, "utf8"), "first line\nsecond line\n");
});

test("a denied write is not, and the model hears of it", async () => {
  const one = claude();
  const file = path.join(project, "denied.txt");
  const from = one.prompt(`[[tool write ${file} no]]`);
  one.answer(await one.permission(from), { behavior: "deny", message: "not today" });
  const result = await one.result(from);
  assert.match(result.result, /^done: .*not today/);
  assert.equal(result.permission_denials.length, 1);
  assert.equal(await isThere(file), false);
});

test("bash, edit, read and a question, one after another", async () => {
  const one = claude();
  const file = path.join(project, "edited.txt");
  const from = one.prompt(`[[tool bash printf old > ${file}]] [[tool read ${file}]] [[tool edit ${file} old=>new]] [[tool ask Which?|Red|Blue]]`);
  const answered = new Set();
  const names = [];
  for (;;) {
    const fits = (/** @type {any} */ m) => m.type === "result" || (m.type === "control_request" && !answered.has(m.request_id));
    const asked = await one.until(fits, from);
    if (asked.type === "result") {
      assert.match(asked.result, /^done: .*Blue/);
      break;
    }
    answered.add(asked.request_id);
    names.push(asked.request.tool_name);
    const answers = asked.request.tool_name === "AskUserQuestion" ? { answers: { "Which?": "Blue" } } : {};
    one.answer(asked, { behavior: "allow", updatedInput: { ...asked.request.input, ...answers } });
  }
  assert.deepEqual(names, ["Bash", "Edit", "AskUserQuestion"], "reading inside the project needs no permission");
  assert.equal(await readFile(file, "utf8"), "new");
});

test("two calls in one answer are asked for one after the other", async () => {
  const one = claude();
  const files = ["par-a.txt", "par-b.txt"].map((name) => path.join(project, name));
  const from = one.prompt(`[[tool write ${files[0]} a]] [[par]] [[tool write ${files[1]} b]] [[say both]]`);
  const first = await one.permission(from);
  one.answer(first, { behavior: "allow", updatedInput: first.request.input });
  const second = await one.permission(one.messages.indexOf(first) + 1);
  one.answer(second, { behavior: "allow", updatedInput: second.request.input });
  assert.equal((await one.result(from)).result, "both");
  const calls = (await logged()).filter((l) => l.event === "request" && l.prompt?.includes("par-a.txt")).map((l) => l.callsDone);
  assert.deepEqual(calls, [0, 2]);
});

test("an interrupt stops a stream in the middle, and the server sees the client leave", async () => {
  const one = claude();
  const from = one.prompt(`[[rate ${RATE_MS}]] interrupted [[text 5000]]`);
  await one.until((m) => m.event?.delta?.text?.startsWith("w5 "), from);
  const ack = await one.control({ subtype: "interrupt" });
  assert.equal(ack.response.subtype, "success");
  const result = await one.result(from);
  assert.equal(result.terminal_reason, "aborted_streaming");
  const next = await one.result(one.prompt("[[say still here]]"));
  assert.equal(next.result, "still here");
  const lines = await logged();
  const number = lines.find((l) => l.prompt?.includes("interrupted [[text"))?.request;
  assert.equal(lines.find((l) => l.event === "response" && l.request === number)?.how, "client_gone");
});

test("a resumed session is the same session, and the script of a new prompt starts at its beginning", async () => {
  const first = claude();
  const before = await first.result(first.prompt("[[tool bash echo resumable]] [[say remembered]]"));
  assert.equal(before.result, "remembered", "echo needs no permission");
  await first.close();
  const second = claude(["--resume", before.session_id]);
  const after = await second.result(second.prompt("[[tool bash echo again]] [[say resumed]]"));
  assert.deepEqual([after.session_id, after.result], [before.session_id, "resumed"]);
});

test("after kill -9 in the middle of an answer the session resumes", async () => {
  const first = claude();
  const from = first.prompt(`[[rate ${RATE_MS}]] killed [[text 5000]]`);
  const delta = await first.until((m) => m.event?.delta?.text?.startsWith("w20 "), from);
  await first.kill("SIGKILL");
  const second = claude(["--resume", delta.session_id]);
  const result = await second.result(second.prompt("[[say back]]"));
  assert.deepEqual([result.session_id, result.result], [delta.session_id, "back"]);
});

test("an overloaded model is retried; a bad request is not", async () => {
  const one = claude();
  const from = one.prompt("[[error 529 x1]] [[say recovered]]");
  const retry = await one.until((m) => m.subtype === "api_retry", from);
  assert.equal(retry.error_status, 529);
  assert.equal((await one.result(from)).result, "recovered");
  const second = one.prompt("[[error 400]]");
  const failed = await one.result(second);
  assert.deepEqual([failed.is_error, failed.terminal_reason], [true, "api_error"]);
});

test("a stream cut in the middle is asked for again and the partial text abandoned", async () => {
  const one = claude();
  const from = one.prompt("cut [[say partial words]] [[disconnect x1]] [[say whole]]");
  assert.equal((await one.result(from)).result, "partial words whole");
  const abandoned = one.messages.slice(from).find((m) => m.event?.type === "message_stop" && m.abandoned_blocks?.from_block_index === 0);
  assert.ok(abandoned, "the first message is marked as abandoned");
});

test("claude talks to the model only, and writes only below its own folder", async () => {
  const paths = new Set((await logged()).filter((l) => l.event === "request").map((l) => `${l.method} ${l.path}`));
  for (const one of paths) assert.match(one, /^(POST \/v1\/messages|HEAD \/)/);
  assert.ok((await readdir(folder)).includes(".claude-config"));
});
