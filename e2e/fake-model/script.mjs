// The script a prompt carries: parsing its directives, and finding where in it a conversation stands.
// Nothing here knows a vendor's format or the time; the same request always gives the same answer.

import { createHash } from "node:crypto";
import { STORIES } from "./stories.mjs";

/**
 * One step of an answer. `at` is its place in the prompt, which also names its counter.
 * @typedef {{at: number} & (
 *   | {do: "text", words: string[]}
 *   | {do: "think", words: string[]}
 *   | {do: "stamps", count: number}
 *   | {do: "rate", ms: number}
 *   | {do: "delay", ms: number}
 *   | {do: "usage", input: number, output: number}
 *   | {do: "tool", verb: string, argument: string}
 *   | {do: "par"}
 *   | {do: "error", status: number, times: number}
 *   | {do: "disconnect", times: number}
 *   | {do: "hang"}
 *   | {do: "refuse"}
 *   | {do: "limit", percent: number}
 *   | {do: "hold", name: string}
 * )} Step
 */

/**
 * What a request says about the conversation so far, in no vendor's words.
 * @typedef {{kind: "user", text: string} | {kind: "call", name: string} | {kind: "result", text: string}} Event
 */

/**
 * The answer to one request.
 * @typedef {object} Round
 * @property {string} prompt the prompt whose script this is
 * @property {string} key names the prompt in counters and logs
 * @property {number} callsDone tool calls already made for this prompt
 * @property {Step[]} steps what to do now, up to and including the next tool call
 */

/** A prompt in a script error that a test's author should read, not the agent's user. */
export class ScriptError extends Error {}

const DIRECTIVE = /\[\[([a-z]+)(?:\s+((?:(?!\]\])[^])*))?\]\]/g;

/**
 * Agents wrap what people did not type in tags of these names; such text is not a prompt.
 * Also Claude Code's own notes on an interrupted turn, and on where it has put a picture, and what Codex says of a project.
 */
const NOT_TYPED = [
  /<(system-reminder|session_context|task-notification|local-command-[a-z]+|command-[a-z]+)>[^]*?<\/\1>/g,
  /<(environment_context|user_instructions|recommended_plugins|turn_aborted|subagent_notification)>[^]*?<\/\1>/g,
  /# AGENTS\.md instructions[^]*?<\/INSTRUCTIONS>/g,
  /\[Request interrupted by user[^\]]*\]/g,
  /\[Image: source: [^\]]*\]/g,
];

/**
 * What a person typed of a user text; empty if nothing.
 * @param {string} text
 */
export function typed(text) {
  return NOT_TYPED.reduce((rest, pattern) => rest.replace(pattern, ""), text).trim();
}

/**
 * The steps a prompt asks for. A prompt without directives is echoed.
 * @param {string} prompt
 * @returns {Step[]}
 */
export function parseScript(prompt) {
  const steps = [...(STORIES.get(prompt) ?? prompt).matchAll(DIRECTIVE)].map((match) => step(match[1] ?? "", (match[2] ?? "").trim(), match.index));
  if (steps.length > 0) return steps;
  return [{ at: 0, do: "text", words: inWords(`echo: ${prompt}`) }];
}

/**
 * @param {string} name
 * @param {string} argument
 * @param {number} at
 * @returns {Step}
 */
function step(name, argument, at) {
  switch (name) {
    case "text":
      return { at, do: "text", words: numbered("w", count(name, argument)) };
    case "say":
      return { at, do: "text", words: inWords(argument) };
    case "think":
      return { at, do: "think", words: /^\d+$/.test(argument) ? numbered("thought", count(name, argument)) : inWords(argument) };
    case "stamps":
      return { at, do: "stamps", count: count(name, argument) };
    case "rate":
      return { at, do: "rate", ms: count(name, argument) };
    case "delay":
      return { at, do: "delay", ms: count(name, argument) };
    case "usage": {
      const [input, output] = argument.split(/\s+/);
      return { at, do: "usage", input: count(name, input ?? ""), output: count(name, output ?? "") };
    }
    case "tool": {
      const [, verb = "", rest = ""] = /^(\S*)\s*([^]*)$/.exec(argument) ?? [];
      return { at, do: "tool", verb, argument: rest };
    }
    case "par":
      return { at, do: "par" };
    case "error": {
      const [status, times] = argument.split(/\s+/);
      return { at, do: "error", status: count(name, status ?? ""), times: timesOf(times) };
    }
    case "disconnect":
      return { at, do: "disconnect", times: timesOf(argument) };
    case "hang":
      return { at, do: "hang" };
    case "refuse":
      return { at, do: "refuse" };
    case "limit":
      return { at, do: "limit", percent: count(name, argument) };
    case "hold":
      if (!/^[a-z0-9-]{1,40}$/.test(argument)) throw new ScriptError(`[[hold ${argument}]]: a place is named by small letters, digits and hyphens`);
      return { at, do: "hold", name: argument };
    default:
      throw new ScriptError(`[[${name}]] is no directive`);
  }
}

/**
 * @param {string} name
 * @param {string} text
 */
function count(name, text) {
  if (!/^\d{1,7}$/.test(text)) throw new ScriptError(`[[${name} ${text}]]: "${text}" is not a whole number below 10,000,000`);
  return Number(text);
}

/**
 * `x3` is three times; nothing is always.
 * @param {string | undefined} text
 */
function timesOf(text) {
  if (!text) return Infinity;
  const match = /^x(\d{1,4})$/.exec(text);
  if (!match) throw new ScriptError(`"${text}" should be a count like x2`);
  return Number(match[1]);
}

/**
 * @param {string} stem
 * @param {number} n
 */
function numbered(stem, n) {
  return Array.from({ length: n }, (_, i) => `${stem}${i + 1} `);
}

/**
 * Cuts a text into its words, each with the space that follows it, so that joining gives the text back.
 * @param {string} text
 */
export function inWords(text) {
  return text.match(/\s*\S+(\s+(?=\S)|\s*$)/g) ?? [];
}

/**
 * Finds the answer to a request: the script of the newest prompt, after as many tool calls as have been made since it.
 * @param {Event[]} history
 * @returns {Round}
 */
export function roundOf(history) {
  const newest = history.findLastIndex((event) => event.kind === "user");
  const said = history[newest];
  const prompt = said?.kind === "user" ? said.text : "";
  const since = history.slice(newest + 1);
  const callsDone = since.filter((event) => event.kind === "call").length;
  const key = createHash("sha256").update(prompt).digest("hex").slice(0, 12);
  const steps = stepsAfter(parseScript(prompt), callsDone);
  if (callsDone > 0 && steps.every(standing)) {
    const result = since.findLast((event) => event.kind === "result");
    const text = result?.kind === "result" ? result.text.replace(/\s+/g, " ").slice(0, 120) : "";
    steps.push({ at: prompt.length, do: "text", words: inWords(`done: ${text}`) });
  }
  return { prompt, key, callsDone, steps };
}

/**
 * Whether a step stays in force from where it stands to the end of the prompt.
 * @param {{do: string}} step
 */
function standing(step) {
  return step.do === "rate" || step.do === "usage" || step.do === "limit";
}

/**
 * The steps after so many tool calls, through the next one, or several joined by `par`.
 * What stays in force does so to the end of the prompt; all else belongs to its own answer.
 * @param {Step[]} script
 * @param {number} callsDone
 */
function stepsAfter(script, callsDone) {
  /** @type {Step[]} */
  const steps = [];
  let calls = 0;
  let ended = false;
  for (const now of script) {
    if (calls < callsDone) {
      if (standing(now)) steps.push(now);
      if (now.do === "tool") calls += 1;
      continue;
    }
    if (now.do === "par") {
      ended = false;
      continue;
    }
    if (ended) break;
    steps.push(now);
    ended = now.do === "tool";
  }
  return steps;
}

/** Counts how often a directive with `xK` has fired. The only state the server has; a new prompt text starts anew. */
export class Counters {
  #fired = new Map();

  /**
   * Whether the step still has to fire, counting this time.
   * @param {string} promptKey
   * @param {{at: number, times: number}} step
   */
  take(promptKey, { at, times }) {
    if (times === Infinity) return true;
    const key = `${promptKey}/${at}`;
    const before = this.#fired.get(key) ?? 0;
    this.#fired.set(key, before + 1);
    return before < times;
  }
}
