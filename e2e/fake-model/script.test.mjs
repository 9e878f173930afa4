import assert from "node:assert/strict";
import { test } from "node:test";
import { toolCall } from "./anthropic-tools.mjs";
import { Counters, ScriptError, inWords, parseScript, roundOf, typed } from "./script.mjs";

/** @typedef {import("./script.mjs").Event} Event */

const user = (/** @type {string} */ text) => /** @type {Event} */ ({ kind: "user", text });
const call = /** @type {Event} */ ({ kind: "call", name: "Bash" });
const result = (/** @type {string} */ text) => /** @type {Event} */ ({ kind: "result", text });

/** The round in short: `text:…`, `tool:…`, or the step's name. @param {Event[]} history */
function short(history) {
  return roundOf(history).steps.map((step) => {
    if (step.do === "text" || step.do === "think") return `${step.do}:${step.words.join("").trim()}`;
    if (step.do === "tool") return `tool:${step.verb} ${step.argument}`;
    return step.do;
  });
}

test("a prompt without directives is echoed as it was written", () => {
  assert.deepEqual(short([user("hello\n\n  there")]), ["text:echo: hello\n\n  there"]);
});

test("cutting into words loses nothing", () => {
  for (const text of ["a b", " a  b\n", "a", "a\n\nb c ", "ä 🎉 z"]) assert.equal(inWords(text).join(""), text);
  assert.deepEqual(inWords("one two"), ["one ", "two"]);
});

test("an answer ends at a tool call and goes on after its result", () => {
  const prompt = user("[[think 2]] [[say first]] [[tool bash ls -l]] [[say second]] [[tool read /a]] [[say third]]");
  assert.deepEqual(short([prompt]), ["think:thought1 thought2", "text:first", "tool:bash ls -l"]);
  assert.deepEqual(short([prompt, call, result("x")]), ["text:second", "tool:read /a"]);
  assert.deepEqual(short([prompt, call, result("x"), call, result("y")]), ["text:third"]);
});

test("stamps are counted, and nothing else stands for a count", () => {
  assert.deepEqual(parseScript("[[rate 25]] [[stamps 3]]"), [
    { at: 0, do: "rate", ms: 25 },
    { at: 12, do: "stamps", count: 3 },
  ]);
  assert.throws(() => parseScript("[[stamps many]]"), ScriptError);
});

test("a script that ends with a tool call reports its result", () => {
  assert.deepEqual(short([user("[[tool bash ls]]"), call, result("one\n two")]), ["text:done: one two"]);
});

test("par joins tool calls into one answer, and half of them done continues with the rest", () => {
  const prompt = user("[[tool bash a]] [[par]] [[tool bash b]] [[say end]]");
  assert.deepEqual(short([prompt]), ["tool:bash a", "tool:bash b"]);
  assert.deepEqual(short([prompt, call, result("a")]), ["tool:bash b"]);
  assert.deepEqual(short([prompt, call, call, result("a"), result("b")]), ["text:end"]);
});

test("only the newest prompt counts, with the calls made since", () => {
  const history = [user("[[tool bash a]] [[say one]]"), call, result("a"), user("[[tool bash b]] [[say two]]")];
  assert.deepEqual(short(history), ["tool:bash b"]);
  assert.deepEqual(short([...history, call, result("b")]), ["text:two"]);
});

test("rate and usage stay in force after a tool call, delay and error do not", () => {
  const prompt = user("[[rate 50]] [[usage 7 8]] [[delay 9]] [[error 529 x1]] [[tool bash a]] [[say end]]");
  assert.deepEqual(short([prompt, call, result("a")]), ["rate", "usage", "text:end"]);
});

test("text in the tags of an agent is not a prompt", () => {
  assert.equal(typed("<system-reminder>\n[[say no]]\n</system-reminder>\n yes "), "yes");
  assert.equal(typed("[Request interrupted by user for tool use]"), "");
  assert.equal(typed("<b>kept</b>"), "<b>kept</b>");
});

test("a counted directive fires so often for each prompt, an uncounted one always", () => {
  const counters = new Counters();
  const [twice] = parseScript("[[error 529 x2]]");
  assert.ok(twice?.do === "error");
  assert.deepEqual([1, 2, 3].map(() => counters.take("p", twice)), [true, true, false]);
  assert.equal(counters.take("q", twice), true);
  const [always] = parseScript("[[disconnect]]");
  assert.ok(always?.do === "disconnect");
  assert.deepEqual([1, 2, 3].map(() => counters.take("p", always)), [true, true, true]);
});

test("a mistake in a script is said, not played", () => {
  for (const wrong of ["[[txet 3]]", "[[text many]]", "[[rate -1]]", "[[error 529 2]]", "[[usage 1]]"]) {
    assert.throws(() => parseScript(wrong), ScriptError, wrong);
  }
  assert.deepEqual(short([user("if [[ -f x ]]; then")]), ["text:echo: if [[ -f x ]]; then"]);
});

test("tool directives become the calls Claude Code understands", () => {
  const offered = new Set(["Bash", "Write", "Edit", "Read", "AskUserQuestion"]);
  assert.deepEqual(toolCall("write", "/a b\nc", offered), { name: "Write", input: { file_path: "/a", content: "b\nc\n" } });
  assert.deepEqual(toolCall("edit", "/a x y=>z", offered).input, { file_path: "/a", old_string: "x y", new_string: "z" });
  assert.deepEqual(toolCall("raw", 'Grep {"pattern": "x"}', offered), { name: "Grep", input: { pattern: "x" } });
  assert.deepEqual(toolCall("bash", "ls", new Set(["bash"])).name, "bash");
  const [question] = /** @type {any} */ (toolCall("ask", "Which?|Red|Blue", offered).input.questions);
  assert.equal(question.question, "Which?");
  assert.deepEqual(question.options.map((/** @type {any} */ o) => o.label), ["Red", "Blue"]);
  assert.throws(() => toolCall("fly", "", offered), ScriptError);
  assert.throws(() => toolCall("raw", "X {", offered), ScriptError);
});
