// The real codex, fetched from npm, against the fake model server: what the server says is what codex understands.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, realpath, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { install } from "../agents/install.mjs";
import { agentsFolder, readPins } from "../agents/pins.mjs";
import { codexVariables, makeCodexHome } from "../support/codex-environment.mjs";
import { CodexProcess } from "../support/codex-process.mjs";
import { startFakeModel } from "./http.mjs";

let program = "";
let home = "";
let folder = "";
let project = "";
/** @type {Awaited<ReturnType<typeof startFakeModel>>} */
let server;
/** @type {CodexProcess[]} */
const running = [];

before(async () => {
  const pin = readPins().find((one) => one.name === "codex");
  assert.ok(pin);
  program = await install(pin, { folder: agentsFolder(), say: (line) => console.error(line) });
  folder = await realpath(await mkdtemp("/var/tmp/towline-codex-test-"));
  project = path.join(folder, "project");
  await mkdir(project);
  server = await startFakeModel({ logFile: path.join(folder, "log.jsonl") });
  home = await makeCodexHome({ port: server.port });
});
afterEach(async () => {
  for (const codex of running.splice(0)) await codex.close();
});
after(async () => {
  await server.close();
  await rm(folder, { recursive: true, maxRetries: 5 });
  await rm(home, { recursive: true, maxRetries: 5 });
});

/** @param {Record<string, unknown>} [settings] */
async function thread(settings = {}) {
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: folder, LANG: "C.UTF-8", TERM: "dumb", ...codexVariables({ home }) };
  const codex = new CodexProcess(program, { cwd: folder, env });
  running.push(codex);
  const id = await codex.thread({ cwd: project, approvalPolicy: "untrusted", sandbox: "workspace-write", ...settings });
  return { codex, id };
}

async function logged() {
  return (await readFile(path.join(folder, "log.jsonl"), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
}

const isThere = (/** @type {string} */ file) => stat(file).then(() => true, () => false);

test("text and thinking arrive piece by piece, with the usage asked for", async () => {
  const { codex, id } = await thread();
  const from = codex.prompt(id, "[[rate 20]] [[usage 321 12]] [[think 2]] [[say one two three]]");
  assert.equal((await codex.ended(from)).status, "completed");
  const deltas = (/** @type {string} */ kind) => codex.messages.slice(from).filter((m) => m.method === `item/${kind}`).map((m) => m.params.delta);
  assert.deepEqual(deltas("agentMessage/delta"), ["one ", "two ", "three"]);
  assert.deepEqual(deltas("reasoning/summaryTextDelta"), ["thought1 ", "thought2 "]);
  assert.equal(codex.items(from, "agentMessage")[0]?.text, "one two three");
  const usage = codex.messages.findLast((m) => m.method === "thread/tokenUsage/updated")?.params.tokenUsage.last;
  assert.deepEqual([usage.inputTokens, usage.outputTokens], [321, 12]);
});

test("an allowed command and an allowed write are done, a declined one is not, and a cancelled one ends the turn", async () => {
  const { codex, id } = await thread();
  const from = codex.prompt(id, "[[tool bash echo hello > one.txt]] [[tool write two.txt first\nsecond]] [[tool edit two.txt second=>third]] [[say done]]");
  let last = from;
  for (const kind of ["commandExecution", "fileChange", "fileChange"]) {
    const asked = await codex.asked(last);
    assert.equal(asked.method, `item/${kind}/requestApproval`);
    last = codex.messages.indexOf(asked) + 1;
    codex.answer(asked, { decision: "accept" });
  }
  assert.equal((await codex.ended(from)).status, "completed");
  assert.equal(await readFile(path.join(project, "one.txt"), "utf8"), "hello\n");
  assert.equal(await readFile(path.join(project, "two.txt"), "utf8"), "first\nthird\n");

  const declined = codex.prompt(id, "[[tool write three.txt no]] [[say went on]]");
  codex.answer(await codex.asked(declined), { decision: "decline" });
  assert.equal((await codex.ended(declined)).status, "completed");
  assert.equal(codex.items(declined, "agentMessage").at(-1)?.text, "went on");
  const cancelled = codex.prompt(id, "[[tool bash touch four.txt]] [[say never]]");
  codex.answer(await codex.asked(cancelled), { decision: "cancel" });
  assert.equal((await codex.ended(cancelled)).status, "interrupted");
  assert.deepEqual([await isThere(path.join(project, "three.txt")), await isThere(path.join(project, "four.txt"))], [false, false]);
});

test("code mode calls the same tools", async () => {
  const { codex, id } = await thread({ model: "gpt-6.1-sol" });
  const from = codex.prompt(id, "[[tool bash echo code > five.txt]] [[tool write six.txt mode]] [[say done]]");
  const first = await codex.asked(from);
  assert.equal(first.method, "item/commandExecution/requestApproval");
  codex.answer(first, { decision: "accept" });
  const second = await codex.asked(codex.messages.indexOf(first) + 1);
  assert.equal(second.method, "item/fileChange/requestApproval");
  codex.answer(second, { decision: "accept" });
  assert.equal((await codex.ended(from)).status, "completed");
  assert.equal(await readFile(path.join(project, "five.txt"), "utf8"), "code\n");
  assert.equal(await readFile(path.join(project, "six.txt"), "utf8"), "mode\n");
  assert.equal(codex.items(from, "agentMessage").at(-1)?.text, "done");
});

test("a question is answered, and a picture is seen", async () => {
  const { codex, id } = await thread();
  // Codex asks its person in its plan mode only.
  const settings = { model: "gpt-5.5", reasoning_effort: null, developer_instructions: null };
  await codex.request("thread/settings/update", { threadId: id, collaborationMode: { mode: "plan", settings } });
  const from = codex.prompt(id, "[[tool ask Which?|Red|Blue]]");
  const asked = await codex.asked(from);
  assert.deepEqual([asked.method, asked.params.questions[0].question], ["item/tool/requestUserInput", "Which?"]);
  codex.answer(asked, { answers: { choice: { answers: ["Blue"] } } });
  await codex.ended(from);
  assert.match(codex.items(from, "agentMessage").at(-1)?.text, /^done: .*Blue/);
  await codex.request("thread/settings/update", { threadId: id, collaborationMode: { mode: "default", settings } });

  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64");
  const seen = codex.prompt(id, "[[say I see]]", [{ type: "image", url: `data:image/png;base64,${png.toString("base64")}` }]);
  await codex.ended(seen);
  assert.equal(codex.items(seen, "agentMessage").at(-1)?.text, "I see");
  const images = (await logged()).findLast((line) => line.prompt === "[[say I see]]")?.images;
  assert.deepEqual(images, [createHash("sha256").update(png).digest("hex").slice(0, 16)]);
});

test("errors are understood, and a cut stream is tried again", async () => {
  const { codex, id } = await thread();
  const info = async (/** @type {string} */ prompt) => (await codex.ended(codex.prompt(id, prompt))).error?.codexErrorInfo;
  assert.deepEqual(await info("[[error 401]]"), { httpConnectionFailed: { httpStatusCode: 401 } });
  assert.deepEqual(await info("[[error 429]]"), { responseTooManyFailedAttempts: { httpStatusCode: 429 } });
  assert.equal(await info("[[text 2]] [[error 529]]"), "serverOverloaded");
  const from = codex.prompt(id, "[[text 4]] [[disconnect x1]] [[say again]]");
  assert.equal((await codex.ended(from)).status, "completed");
  assert.equal(codex.items(from, "agentMessage").at(-1)?.text, "w1 w2 w3 w4 again");
});

test("an interrupt stops a stream in the middle, and a WebSocket is refused", async () => {
  const { codex, id } = await thread();
  const from = codex.prompt(id, "[[rate 20]] interrupted [[text 5000]]");
  const delta = await codex.until((m) => m.method === "item/agentMessage/delta", from);
  await codex.request("turn/interrupt", { threadId: id, turnId: delta.params.turnId });
  assert.equal((await codex.ended(from)).status, "interrupted");
  const upgrade = request({ port: server.port, path: "/v1/responses", headers: { connection: "Upgrade", upgrade: "websocket" } });
  upgrade.end();
  const [answer] = await once(upgrade, "response");
  assert.equal(answer.statusCode, 426);
  answer.resume();
});
