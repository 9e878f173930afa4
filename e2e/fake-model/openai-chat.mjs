// The OpenAI Chat Completions dialect, which most other vendors' servers speak too; streamed or as one JSON body.

import { createHash } from "node:crypto";
import { offeredCall } from "./agent-tools.mjs";
import { typed } from "./script.mjs";

const TYPES = /** @type {Record<number, string>} */ ({
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  429: "rate_limit_error",
});

/** Any moment will do; it is never shown. */
const CREATED = 1_767_225_600;

/** @type {import("./dialects.mjs").Dialect} */
export const openaiChat = {
  name: "openai-chat",

  route(method, path) {
    return method === "POST" && path === "/v1/chat/completions" ? "answer" : null;
  },

  read(body) {
    const functions = list(body.tools).map((tool) => /** @type {{name?: unknown}} */ (tool.function ?? {}));
    const tools = new Set(functions.map((each) => String(each.name)));
    return { history: historyOf(body), tools, stream: body.stream === true, model: String(body.model ?? "unknown"), images: imagesOf(body) };
  },

  sideAnswer(body) {
    // Agents ask for a session title beside the conversation, without tools.
    if (list(body.tools).length > 0) return null;
    const system = list(body.messages).filter((message) => message.role === "system" || message.role === "developer");
    return system.some((message) => /\btitle\b/i.test(plainText(message.content))) ? "Fake title" : null;
  },

  count() {
    return {};
  },

  models() {
    return null;
  },

  errorBody(status, message) {
    return { error: { message, type: TYPES[status] ?? "server_error", param: null, code: TYPES[status] ?? "server_error" } };
  },

  voice(options) {
    return new Answer(options);
  },
};

class Answer {
  #options;
  #text = "";
  /** @type {Record<string, unknown>[]} */
  #calls = [];
  #pieces = 0;
  #usage;
  #id;

  /** @param {import("./dialects.mjs").VoiceOptions} options */
  constructor(options) {
    this.#options = options;
    this.#id = options.newId("chatcmpl");
    const asked = options.round?.steps.findLast((step) => step.do === "usage");
    this.#usage = asked?.do === "usage" ? { input: asked.input, output: asked.output } : { input: tokensOf(options.body), output: null };
  }

  open() {
    this.#delta({ role: "assistant", content: "" });
  }

  /** @param {string} piece */
  text(piece) {
    this.#text += piece;
    this.#pieces += 1;
    this.#delta({ content: piece });
  }

  /** @param {string} piece */
  think(piece) {
    this.#pieces += 1;
    this.#delta({ reasoning_content: piece });
  }

  /** @param {{verb: string, argument: string}} call */
  tool({ verb, argument }) {
    const { name, input } = offeredCall(verb, argument, this.#options.conversation.tools);
    const index = this.#calls.length;
    const [id, json] = [this.#options.newId("call"), JSON.stringify(input)];
    this.#calls.push({ id, type: "function", function: { name, arguments: json } });
    this.#pieces += 1;
    this.#delta({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] });
    for (let at = 0; at < json.length; at += 24) this.#delta({ tool_calls: [{ index, function: { arguments: json.slice(at, at + 24) } }] });
  }

  /** @param {number} status */
  fail(status) {
    const body = openaiChat.errorBody(status, `fake model: error ${status}`);
    if (this.#options.conversation.stream) {
      this.#options.send("", body);
      this.#options.end();
    } else this.#options.sendJson(status, body);
  }

  close() {
    this.#end(this.#calls.length > 0 ? "tool_calls" : "stop");
  }

  refuse() {
    this.#end("content_filter");
  }

  /** @param {string} finish_reason */
  #end(finish_reason) {
    const { input, output } = this.#usage;
    const said = output ?? this.#pieces;
    const usage = { prompt_tokens: input, completion_tokens: said, total_tokens: input + said };
    if (this.#options.conversation.stream) {
      this.#delta({}, finish_reason);
      this.#options.send("", { ...this.#head("chat.completion.chunk"), choices: [], usage });
      this.#options.send("", "[DONE]");
      this.#options.end();
      return;
    }
    const message = { role: "assistant", content: this.#text || null, ...(this.#calls.length > 0 ? { tool_calls: this.#calls } : {}) };
    this.#options.sendJson(200, { ...this.#head("chat.completion"), choices: [{ index: 0, message, finish_reason }], usage });
  }

  /** @param {string} object */
  #head(object) {
    return { id: this.#id, object, created: CREATED, model: this.#options.conversation.model };
  }

  /**
   * @param {Record<string, unknown>} delta
   * @param {string | null} finish_reason
   */
  #delta(delta, finish_reason = null) {
    if (this.#options.conversation.stream) this.#options.send("", { ...this.#head("chat.completion.chunk"), choices: [{ index: 0, delta, finish_reason }] });
  }
}

/**
 * @param {Record<string, unknown>} body
 * @returns {import("./script.mjs").Event[]}
 */
function historyOf(body) {
  /** @type {import("./script.mjs").Event[]} */
  const history = [];
  for (const message of list(body.messages)) {
    if (message.role === "user") {
      const text = typed(plainText(message.content));
      if (text) history.push({ kind: "user", text });
    } else if (message.role === "tool") history.push({ kind: "result", text: plainText(message.content) });
    else if (message.role === "assistant") {
      for (const call of list(message.tool_calls)) history.push({ kind: "call", name: String(/** @type {{name?: unknown}} */ (call.function ?? {}).name) });
    }
  }
  return history;
}

/**
 * @param {Record<string, unknown>} body
 * @returns {string[]}
 */
function imagesOf(body) {
  const blocks = list(body.messages).filter((message) => message.role === "user").flatMap((message) => list(message.content));
  const urls = blocks.flatMap((block) => (block.image_url ? [String(/** @type {{url?: unknown}} */ (block.image_url).url ?? "")] : []));
  return urls.map((url) => createHash("sha256").update(Buffer.from(url.slice(url.indexOf(",") + 1), "base64")).digest("hex").slice(0, 16));
}

/** @param {unknown} value @returns {Record<string, unknown>[]} */
function list(value) {
  return Array.isArray(value) ? value.filter((item) => item !== null && typeof item === "object") : [];
}

/** @param {unknown} content */
function plainText(content) {
  if (typeof content === "string") return content;
  return list(content)
    .map((block) => String(block.text ?? ""))
    .join("\n");
}

/** @param {Record<string, unknown>} body */
function tokensOf(body) {
  return Math.ceil(JSON.stringify(body.messages ?? []).length / 4);
}
