// Drives one `codex app-server` over its JSON-RPC, as much of it as the tests here need.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** No message awaited here takes longer, even on a busy machine; a cold start takes about a second. */
const WAIT_LIMIT_MS = 30_000;

/** @typedef {Record<string, any>} Message */

export class CodexProcess {
  #child;
  /** @type {Message[]} */
  messages = [];
  errors = "";
  /** @type {Set<() => void>} */
  #watchers = new Set();
  #ended = false;
  #ids = 0;
  /** @type {Promise<{code: number | null, signal: string | null}>} */
  exited;

  /**
   * @param {string} program
   * @param {{cwd: string, env: Record<string, string>}} options
   */
  constructor(program, { cwd, env }) {
    this.#child = spawn(program, ["app-server"], { cwd, env, stdio: "pipe" });
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
   * Asks, and waits for the answer.
   * @param {string} method
   * @param {unknown} params
   */
  async request(method, params) {
    const id = ++this.#ids;
    this.send({ id, method, params });
    const answer = await this.until((m) => m.id === id && m.method === undefined);
    if (answer.error) throw new Error(`${method}: ${JSON.stringify(answer.error)}`);
    return answer.result;
  }

  /**
   * Greets, and begins a thread.
   * @param {Record<string, unknown>} settings
   * @returns {Promise<string>} its id
   */
  async thread(settings) {
    const capabilities = { experimentalApi: true, requestAttestation: false };
    await this.request("initialize", { clientInfo: { name: "towline_test", title: "Towline's tests", version: "0.0.0" }, capabilities });
    this.send({ method: "initialized" });
    return (await this.request("thread/start", settings)).thread.id;
  }

  /**
   * Sends a prompt; gives the place in `messages` from which its consequences are found.
   * @param {string} threadId
   * @param {string} text
   * @param {Record<string, unknown>[]} [more]
   */
  prompt(threadId, text, more = []) {
    const from = this.messages.length;
    const input = [...more, { type: "text", text, text_elements: [] }];
    this.send({ id: `turn-${++this.#ids}`, method: "turn/start", params: { threadId, input } });
    return from;
  }

  /**
   * @param {Message} request
   * @param {Message} result
   */
  answer(request, result) {
    this.send({ id: request.id, result });
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
        else if (this.#ended) done(() => reject(new Error(`codex ended first: ${this.errors || JSON.stringify(this.messages.at(-1))}`)));
      };
      const timer = setTimeout(() => done(() => reject(new Error(`nothing came; last: ${JSON.stringify(this.messages.at(-1))}`))), WAIT_LIMIT_MS);
      this.#watchers.add(look);
      look();
    });
  }

  /** @param {number} from @returns {Promise<Message>} the turn at its end */
  async ended(from) {
    return (await this.until((m) => m.method === "turn/completed", from)).params.turn;
  }

  /** @param {number} from */
  asked(from) {
    return this.until((m) => m.method !== undefined && m.id !== undefined, from);
  }

  /**
   * The items that were completed from `from` on.
   * @param {number} from
   * @param {string} type
   * @returns {Message[]}
   */
  items(from, type) {
    const done = this.messages.slice(from).filter((m) => m.method === "item/completed" && m.params.item.type === type);
    return done.map((m) => m.params.item);
  }

  /** Ends the process as its host would: end of input; after a while, by force. */
  async close() {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    const outcome = await this.exited;
    clearTimeout(timer);
    return outcome;
  }

  #wake() {
    for (const look of [...this.#watchers]) look();
  }
}
