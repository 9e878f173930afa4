// Drives one `codex app-server` over its JSON-RPC, as much of it as the tests here need.

import { AgentProcess } from "./agent-process.mjs";

/** @typedef {import("./agent-process.mjs").Message} Message */

export class CodexProcess extends AgentProcess {
  #ids = 0;

  /**
   * @param {string} program
   * @param {{cwd: string, env: Record<string, string>}} options
   */
  constructor(program, options) {
    super("codex", program, ["app-server"], options);
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
}
