// What `[[tool VERB …]]` means to an agent that offers Claude Code's tools.

import { ScriptError } from "./script.mjs";

/**
 * The tool call a directive asks for. A tool the request does not offer is called all the same, as a confused model would.
 * @param {string} verb
 * @param {string} argument
 * @param {Set<string>} offered
 * @returns {{name: string, input: Record<string, unknown>}}
 */
export function toolCall(verb, argument, offered) {
  switch (verb) {
    case "bash":
      return { name: spelled("Bash", offered), input: { command: argument, description: "Run a command" } };
    case "write": {
      const [path, text] = pathAndRest(argument);
      return { name: spelled("Write", offered), input: { file_path: path, content: `${text || "hello from the fake model"}\n` } };
    }
    case "edit": {
      const [path, change] = pathAndRest(argument);
      const arrow = change.indexOf("=>");
      if (arrow < 0) throw new ScriptError(`[[tool edit ${argument}]] has no =>`);
      return { name: spelled("Edit", offered), input: { file_path: path, old_string: change.slice(0, arrow), new_string: change.slice(arrow + 2) } };
    }
    case "read":
      return { name: spelled("Read", offered), input: { file_path: argument } };
    case "ask": {
      const [question = "", ...labels] = argument.split("|").map((part) => part.trim());
      const options = (labels.length > 0 ? labels : ["Yes", "No"]).map((label) => ({ label, description: `Choose ${label}` }));
      return { name: spelled("AskUserQuestion", offered), input: { questions: [{ question, header: "Choice", multiSelect: false, options }] } };
    }
    case "raw": {
      const [name, json] = pathAndRest(argument);
      return { name, input: parsed(json || "{}") };
    }
    default:
      throw new ScriptError(`[[tool ${verb}]] is no tool; there are bash, write, edit, read, ask and raw`);
  }
}

/**
 * The offered spelling of a tool's name: other agents write the same tools in lower case.
 * @param {string} name
 * @param {Set<string>} offered
 */
function spelled(name, offered) {
  const lower = name.toLowerCase();
  return !offered.has(name) && offered.has(lower) ? lower : name;
}

/** @param {string} argument @returns {[string, string]} */
function pathAndRest(argument) {
  const [, first = "", rest = ""] = /^(\S*)\s*([^]*)$/.exec(argument) ?? [];
  return [first, rest];
}

/** @param {string} json @returns {Record<string, unknown>} */
function parsed(json) {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new ScriptError(`[[tool raw]]: ${error instanceof Error ? error.message : error}`);
  }
}
