import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startFakeModel } from "./http.mjs";

/** @type {Awaited<ReturnType<typeof startFakeModel>>} */
let server;
let base = "";
before(async () => {
  server = await startFakeModel({ seed: "o" });
  base = `http://127.0.0.1:${server.port}`;
});
after(() => server.close());

/**
 * @param {string} path
 * @param {unknown} body
 */
function post(path, body) {
  return fetch(`${base}${path}`, { method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(10_000), headers: { "content-type": "application/json" } });
}

/** @param {string} text @returns {any[]} */
function data(text) {
  const frames = text.split("\n\n").filter(Boolean);
  return frames.map((frame) => {
    const json = /^data: (.*)$/s.exec(frame)?.[1];
    assert.ok(json !== undefined, `a frame with a name: ${frame}`);
    return json === "[DONE]" ? json : JSON.parse(json);
  });
}

const SHELL = { functionDeclarations: [{ name: "run_shell_command" }, { name: "write_file" }, { name: "replace" }] };
const gemini = (/** @type {unknown[]} */ contents, /** @type {Record<string, unknown>} */ more = {}) => ({ contents, tools: [SHELL], ...more });
const typed = (/** @type {string} */ text) => ({ role: "user", parts: [{ text }] });

test("Gemini: thoughts, text and calls are parts, and the last one says that it is the last", async () => {
  const path = "/v1beta/models/m-1:streamGenerateContent";
  const all = data(await (await post(path, gemini([typed("[[rate 0]] [[think 1]] [[say hello there]] [[usage 7 8]] [[tool bash ls]]")]))).text());
  const parts = all.flatMap((each) => each.candidates[0].content.parts).filter((part) => part.text !== "");
  assert.deepEqual(parts.slice(1, 3).map((part) => part.text).join(""), "hello there");
  assert.deepEqual([parts[0].thought, parts[3].functionCall.name, parts[3].functionCall.args.command], [true, "run_shell_command", "ls"]);
  assert.equal(all.at(-1).candidates[0].finishReason, "STOP");
  assert.deepEqual([all.at(-1).usageMetadata.promptTokenCount, all.at(-1).usageMetadata.candidatesTokenCount, all[0].modelVersion], [7, 8, "m-1"]);
});

test("Gemini: a script goes on after its call, what the CLI adds is no prompt, and its own questions get an answer of their shape", async () => {
  const path = "/v1beta/models/m:generateContent";
  const called = [typed("<session_context>\nToday.\n</session_context>"), typed("[[tool edit a.txt x=>y]]"), { role: "model", parts: [{ functionCall: { name: "replace", args: {} } }] }, { role: "user", parts: [{ functionResponse: { name: "replace", response: { output: "changed" } } }] }];
  const first = await (await post(path, gemini(called.slice(0, 2)))).json();
  assert.deepEqual(first.candidates[0].content.parts[0].functionCall.args, { file_path: "a.txt", old_string: "x", new_string: "y", instruction: "Change it" });
  const second = await (await post(path, gemini(called))).json();
  assert.equal(second.candidates[0].content.parts.map((/** @type {any} */ part) => part.text).join(""), "done: changed");
  const schema = { type: "object", properties: { choice: { type: "string", enum: ["flash", "pro"] }, why: { type: "string" }, sure: { type: "boolean" } } };
  const side = await (await post(path, gemini([typed("[[error 500]]")], { generationConfig: { responseJsonSchema: schema } }))).json();
  assert.deepEqual(JSON.parse(side.candidates[0].content.parts.map((/** @type {any} */ part) => part.text).join("")), { choice: "flash", why: "fake", sure: false });
  const refused = await post(path, gemini([typed("[[error 429]]")]));
  assert.deepEqual([refused.status, (await refused.json()).error.status], [429, "RESOURCE_EXHAUSTED"]);
});

const TOOLS = ["bash", "write", "edit", "read"].map((name) => ({ type: "function", function: { name } }));
const chat = (/** @type {unknown[]} */ messages, /** @type {Record<string, unknown>} */ more = {}) => ({ model: "m", stream: true, tools: TOOLS, messages, ...more });

test("Chat Completions: pieces, calls in pieces, what was used, and the end", async () => {
  const path = "/v1/chat/completions";
  const all = data(await (await post(path, chat([{ role: "user", content: "[[rate 0]] [[think 1]] [[say hi you]] [[tool write a.txt text]]" }]))).text());
  assert.equal(all.at(-1), "[DONE]");
  const deltas = all.slice(0, -1).flatMap((each) => each.choices.map((/** @type {any} */ choice) => choice.delta));
  assert.equal(deltas.map((delta) => delta.content ?? "").join(""), "hi you");
  assert.match(deltas.map((delta) => delta.reasoning_content ?? "").join(""), /^thought1/);
  const json = deltas.flatMap((delta) => delta.tool_calls ?? []).map((call) => call.function.arguments).join("");
  assert.deepEqual(JSON.parse(json), { filePath: "a.txt", content: "text\n" });
  assert.equal(all.at(-3).choices[0].finish_reason, "tool_calls");
  assert.ok(all.at(-2).usage.total_tokens > 0);
});

test("Chat Completions: a script goes on after its call; titles are answered beside it; errors have the vendor's shape", async () => {
  const path = "/v1/chat/completions";
  const messages = [
    { role: "user", content: [{ type: "text", text: "[[tool bash ls]]" }] },
    { role: "assistant", tool_calls: [{ id: "1", type: "function", function: { name: "bash", arguments: "{}" } }] },
    { role: "tool", content: "a.txt" },
  ];
  const second = await (await post(path, chat(messages, { stream: false }))).json();
  assert.equal(second.choices[0].message.content, "done: a.txt");
  const title = await (await post(path, { ...chat([{ role: "system", content: "Write a title" }, { role: "user", content: "[[error 500]]" }], { stream: false }), tools: [] })).json();
  assert.equal(title.choices[0].message.content, "Fake title");
  const refused = await post(path, chat([{ role: "user", content: "[[error 401]]" }]));
  assert.deepEqual([refused.status, (await refused.json()).error.type], [401, "authentication_error"]);
});
