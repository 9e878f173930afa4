// What `[[tool VERB …]]` means to Codex: shell commands and patches, as function calls, as custom tools, or in its "code mode" as a line
// of JavaScript for its one tool `exec`.

import { ScriptError } from "./script.mjs";

/**
 * A tool on offer.
 * @typedef {{name: string, custom: boolean, namespace: string | null}} Tool
 *
 * A tool call: `text` is the input of a custom tool, or the arguments of a function as JSON.
 * @typedef {{name: string, custom: boolean, namespace: string | null, text: string}} Call
 */

/**
 * The tools of a request by name. Code mode sends them as an item of the input.
 * @param {Record<string, unknown>} body
 * @returns {Map<string, Tool>}
 */
export function offered(body) {
  const sent = list(body.input).filter((item) => item.type === "additional_tools").flatMap((item) => list(item.tools));
  /** @type {Map<string, Tool>} */
  const tools = new Map();
  const add = (/** @type {Record<string, unknown>} */ tool, /** @type {string | null} */ namespace) => {
    const name = String(tool.name ?? tool.type);
    tools.set(name, { name, custom: tool.type === "custom", namespace });
  };
  for (const tool of [...list(body.tools), ...sent]) {
    if (tool.type === "namespace") for (const inner of list(tool.tools)) add(inner, String(tool.name));
    else add(tool, null);
  }
  return tools;
}

/**
 * The tool call a directive asks for. A tool the request does not offer is called all the same, as a confused model would.
 * @param {string} verb
 * @param {string} argument
 * @param {Map<string, Tool>} tools
 * @returns {Call}
 */
export function toolCall(verb, argument, tools) {
  if (verb === "raw") {
    const [path, text] = pathAndRest(argument);
    // What Codex offers only once it is searched for is called by its namespace, too: `mcp__server/tool`.
    const [name = "", namespace = null] = path.split("/").reverse();
    const offer = namespace === null ? tools.get(name) : undefined;
    return { ...(offer ?? { name, custom: false, namespace }), text: text || "{}" };
  }
  const { name, input } = wanted(verb, argument);
  const tool = tools.get(name);
  if (tool?.custom) return { ...tool, text: String(input.input) };
  if (!tool && tools.get("exec")?.custom) {
    const given = name === "apply_patch" ? input.input : input;
    return { name: "exec", custom: true, namespace: null, text: `const r = await tools.${name}(${JSON.stringify(given)});\ntext(r.output ?? JSON.stringify(r));` };
  }
  return { ...(tool ?? { name, custom: false, namespace: null }), text: JSON.stringify(input) };
}

/**
 * @param {string} verb
 * @param {string} argument
 * @returns {{name: string, input: Record<string, unknown>}}
 */
function wanted(verb, argument) {
  switch (verb) {
    case "bash":
      return { name: "exec_command", input: { cmd: argument } };
    case "bashx":
      return { name: "exec_command", input: { cmd: argument, sandbox_permissions: "require_escalated", justification: "The script says so." } };
    case "read":
      return { name: "exec_command", input: { cmd: `cat ${argument}` } };
    case "write": {
      const [path, text] = pathAndRest(argument);
      const lines = (text || "hello from the fake model").split("\n").map((line) => `+${line}\n`);
      return patch(`*** Add File: ${path}\n${lines.join("")}`);
    }
    case "edit": {
      const [path, change] = pathAndRest(argument);
      const arrow = change.indexOf("=>");
      if (arrow < 0) throw new ScriptError(`[[tool edit ${argument}]] has no =>`);
      return patch(`*** Update File: ${path}\n@@\n-${change.slice(0, arrow)}\n+${change.slice(arrow + 2)}\n`);
    }
    case "ask": {
      const [question = "", ...labels] = argument.split("|").map((part) => part.trim());
      const options = (labels.length > 0 ? labels : ["Yes", "No"]).map((label) => ({ label, description: `Choose ${label}` }));
      return { name: "request_user_input", input: { questions: [{ id: "choice", header: "Choice", question, options }] } };
    }
    default:
      throw new ScriptError(`[[tool ${verb}]] is no tool; there are bash, bashx, write, edit, read, ask and raw`);
  }
}

/** @param {string} change */
function patch(change) {
  return { name: "apply_patch", input: { input: `*** Begin Patch\n${change}*** End Patch\n` } };
}

/** @param {string} argument @returns {[string, string]} */
function pathAndRest(argument) {
  const [, first = "", rest = ""] = /^(\S*)\s*([^]*)$/.exec(argument) ?? [];
  return [first, rest];
}

/** @param {unknown} value @returns {Record<string, unknown>[]} */
export function list(value) {
  return Array.isArray(value) ? value.filter((item) => item !== null && typeof item === "object") : [];
}
