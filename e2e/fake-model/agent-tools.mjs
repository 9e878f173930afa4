// What `[[tool VERB …]]` means to agents that offer the same tools under other names: OpenCode's and Gemini CLI's.

import { toolCall } from "./anthropic-tools.mjs";

/** Gemini CLI's names for Claude Code's tools. */
const GEMINI = /** @type {Record<string, string>} */ ({ Bash: "run_shell_command", Write: "write_file", Edit: "replace", Read: "read_file" });
/** OpenCode's spelling of the arguments. */
const CAMEL = /** @type {Record<string, string>} */ ({ file_path: "filePath", old_string: "oldString", new_string: "newString" });

/**
 * The tool call a directive asks for, in the words of the tools on offer.
 * @param {string} verb
 * @param {string} argument
 * @param {Set<string>} offered
 * @returns {{name: string, input: Record<string, unknown>}}
 */
export function offeredCall(verb, argument, offered) {
  const call = toolCall(verb, argument, offered);
  if (verb === "raw") return call;
  const gemini = GEMINI[call.name];
  if (gemini !== undefined && offered.has(gemini)) {
    const more = gemini === "replace" ? { instruction: "Change it" } : {};
    return { name: gemini, input: { ...call.input, ...more } };
  }
  if (/^[a-z]/.test(call.name)) {
    return { name: call.name, input: Object.fromEntries(Object.entries(call.input).map(([key, value]) => [CAMEL[key] ?? key, value])) };
  }
  return call;
}
