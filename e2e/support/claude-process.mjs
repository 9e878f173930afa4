// Drives one claude process over its stream-json protocol, as much of it as the tests here need.

import { randomUUID } from "node:crypto";
import { AgentProcess } from "./agent-process.mjs";

/** @typedef {import("./agent-process.mjs").Message} Message */

export class ClaudeProcess extends AgentProcess {
  /**
   * @param {string} program
   * @param {{cwd: string, env: Record<string, string>, args?: string[]}} options
   */
  constructor(program, { cwd, env, args = [] }) {
    const fixed = ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose", "--include-partial-messages"];
    super("claude", program, [...fixed, "--permission-prompt-tool", "stdio", ...args], { cwd, env });
  }

  /**
   * Sends a prompt; gives the place in `messages` from which its consequences are found.
   * @param {string} text
   */
  prompt(text) {
    const from = this.messages.length;
    this.send({ type: "user", message: { role: "user", content: [{ type: "text", text }] }, parent_tool_use_id: null, session_id: "", uuid: randomUUID() });
    return from;
  }

  /**
   * @param {Message} request a `can_use_tool` request
   * @param {Message} decision
   */
  answer(request, decision) {
    this.send({ type: "control_response", response: { subtype: "success", request_id: request.request_id, response: decision } });
  }

  /** @param {Message} request */
  control(request) {
    const request_id = randomUUID();
    this.send({ type: "control_request", request_id, request });
    return this.until((m) => m.type === "control_response" && m.response.request_id === request_id);
  }

  /** @param {number} from */
  result(from) {
    return this.until((m) => m.type === "result", from);
  }

  /** @param {number} from */
  permission(from) {
    return this.until((m) => m.type === "control_request" && m.request.subtype === "can_use_tool", from);
  }

  /**
   * The texts of all text deltas from `from` on.
   * @param {number} from
   * @returns {string[]}
   */
  textDeltas(from) {
    const deltas = this.messages.slice(from).filter((m) => m.type === "stream_event" && m.event.delta?.type === "text_delta");
    return deltas.map((m) => m.event.delta.text);
  }
}
