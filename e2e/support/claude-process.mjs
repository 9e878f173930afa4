// Drives one claude process over its stream-json protocol, as much of it as the tests here need.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";

/** No message awaited here takes longer, even on a busy machine; a cold start takes about a second. */
const WAIT_LIMIT_MS = 30_000;

/** @typedef {Record<string, any>} Message */

export class ClaudeProcess {
  #child;
  /** @type {Message[]} */
  messages = [];
  /** @type {string} */
  errors = "";
  /** @type {Set<() => void>} */
  #watchers = new Set();
  #ended = false;
  /** @type {Promise<{code: number | null, signal: string | null}>} */
  exited;

  /**
   * @param {string} program
   * @param {{cwd: string, env: Record<string, string>, args?: string[]}} options
   */
  constructor(program, { cwd, env, args = [] }) {
    const fixed = ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose", "--include-partial-messages"];
    this.#child = spawn(program, [...fixed, "--permission-prompt-tool", "stdio", ...args], { cwd, env, stdio: "pipe" });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.messages.push(JSON.parse(line));
      this.#wake();
    });
    this.#child.stderr.on("data", (bytes) => (this.errors += bytes));
    this.#child.stdin.on("error", () => {});
    this.exited = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code, signal) => {
        this.#ended = true;
        this.#wake();
        resolve({ code, signal });
      });
    });
  }

  /** @param {Message} message */
  send(message) {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
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

  /**
   * Waits for the first message from `from` on that fits.
   * @param {(message: Message) => boolean} fits
   * @param {number} [from]
   * @returns {Promise<Message>}
   */
  until(fits, from = 0) {
    return new Promise((resolve, reject) => {
      const done = (/** @type {() => void} */ then) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        then();
      };
      const look = () => {
        const found = this.messages.slice(from).find(fits);
        if (found) done(() => resolve(found));
        else if (this.#ended) done(() => reject(new Error(`claude ended first: ${this.errors || JSON.stringify(this.messages.at(-1))}`)));
      };
      const timer = setTimeout(() => done(() => reject(new Error(`nothing came; last: ${JSON.stringify(this.messages.at(-1))}`))), WAIT_LIMIT_MS);
      this.#watchers.add(look);
      look();
    });
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

  /** Ends the process as its user would: end of input; after a while, by force. */
  async close() {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    const outcome = await this.exited;
    clearTimeout(timer);
    return outcome;
  }

  /** @param {NodeJS.Signals} signal */
  kill(signal) {
    this.#child.kill(signal);
    return this.exited;
  }

  #wake() {
    for (const look of [...this.#watchers]) look();
  }
}
