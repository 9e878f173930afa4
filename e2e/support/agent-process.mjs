// Drives one process of an agent over lines of JSON, as much of it as the tests here need.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** No message awaited here takes longer, even on a busy machine; a cold start takes about a second. */
const WAIT_LIMIT_MS = 30_000;

/** @typedef {Record<string, any>} Message */

export class AgentProcess {
  #child;
  #name;
  /** @type {Message[]} */
  messages = [];
  errors = "";
  /** @type {Set<() => void>} */
  #watchers = new Set();
  #ended = false;
  /** @type {Promise<{code: number | null, signal: string | null}>} */
  exited;

  /**
   * @param {string} name what errors call it
   * @param {string} program
   * @param {string[]} args
   * @param {{cwd: string, env: Record<string, string>}} options
   */
  constructor(name, program, args, { cwd, env }) {
    this.#name = name;
    this.#child = spawn(program, args, { cwd, env, stdio: "pipe" });
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
        else if (this.#ended) done(() => reject(new Error(`${this.#name} ended first: ${this.errors || JSON.stringify(this.messages.at(-1))}`)));
      };
      const timer = setTimeout(() => done(() => reject(new Error(`nothing came; last: ${JSON.stringify(this.messages.at(-1))}`))), WAIT_LIMIT_MS);
      this.#watchers.add(look);
      look();
    });
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
