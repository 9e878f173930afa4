// The Anthropic Messages dialect: what a request means, and how an answer is spoken, streamed or as one JSON body.
// Another vendor's dialect is a sibling of this file with the same export (see `Dialect` in dialects.mjs).

import { createHash } from "node:crypto";
import { typed } from "./script.mjs";
import { toolCall } from "./anthropic-tools.mjs";

/** The model catalogue served at /v1/models; names are made up on purpose. */
const MODELS = ["fake-large-1", "fake-small-1"];

const ERROR_TYPES = /** @type {Record<number, string>} */ ({
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  503: "api_error",
  529: "overloaded_error",
});

/** @type {import("./dialects.mjs").Dialect} */
export const anthropic = {
  name: "anthropic",

  route(method, path) {
    if (method === "POST" && path === "/v1/messages") return "answer";
    if (method === "POST" && path === "/v1/messages/count_tokens") return "count";
    if (method === "GET" && (path === "/v1/models" || path.startsWith("/v1/models/"))) return "models";
    return null;
  },

  read(body) {
    const tools = new Set(list(body.tools).map((tool) => String(tool.name ?? tool.type)));
    const effort = /** @type {{ effort?: unknown } | undefined} */ (body.output_config)?.effort;
    const asked = typeof effort === "string" ? { effort } : {};
    return { history: historyOf(body), tools, stream: body.stream === true, model: String(body.model ?? "unknown"), images: imagesOf(body), ...asked };
  },

  sideAnswer(body) {
    // Agents ask for a session title beside the conversation, without tools, quoting a prompt whose script must not run.
    if (list(body.tools).length > 0) return null;
    return /\btitle\b/i.test(plainText(body.system)) ? '{"title": "Fake title", "branch": "fake-title"}' : null;
  },

  count(body) {
    return { input_tokens: tokensOf(body) };
  },

  models(path) {
    const data = MODELS.map((id) => ({ type: "model", id, display_name: id, created_at: "2026-01-01T00:00:00Z" }));
    const id = decodeURIComponent(path.slice("/v1/models/".length));
    if (id) return data.find((model) => model.id === id) ?? null;
    return { data, has_more: false, first_id: MODELS[0], last_id: MODELS.at(-1) };
  },

  errorBody(status, message) {
    return { type: "error", error: { type: ERROR_TYPES[status] ?? "api_error", message } };
  },

  voice(options) {
    return new Answer(options);
  },
};

/** One message being said: every event goes to `send` at once, or, for a plain request, the whole goes to `sendJson` at the end. */
class Answer {
  #options;
  #usage;
  /** @type {Record<string, unknown>[]} */
  #blocks = [];
  /** @type {"text" | "thinking" | null} */
  #openKind = null;
  #pieces = 0;
  #usedTool = false;
  #id;

  /** @param {import("./dialects.mjs").VoiceOptions} options */
  constructor(options) {
    this.#options = options;
    this.#id = options.newId("msg");
    const asked = options.round?.steps.findLast((step) => step.do === "usage");
    this.#usage = asked?.do === "usage" ? { input: asked.input, output: asked.output } : { input: tokensOf(options.body), output: null };
  }

  open() {
    const message = { ...this.#message(), content: [], stop_reason: null, usage: this.#usageAt(1) };
    this.#event("message_start", { message });
    this.#event("ping", {});
  }

  /** @param {string} piece */
  text(piece) {
    const block = this.#block("text", { type: "text", text: "" });
    block.text += piece;
    this.#delta({ type: "text_delta", text: piece });
  }

  /** @param {string} piece */
  think(piece) {
    const block = this.#block("thinking", { type: "thinking", thinking: "", signature: "" });
    block.thinking += piece;
    this.#delta({ type: "thinking_delta", thinking: piece });
  }

  /** @param {{verb: string, argument: string}} call */
  tool({ verb, argument }) {
    this.#endBlock();
    const { name, input } = toolCall(verb, argument, this.#options.conversation.tools);
    const block = { type: "tool_use", id: this.#options.newId("toolu"), name, input };
    this.#blocks.push(block);
    this.#usedTool = true;
    this.#event("content_block_start", { index: this.#index(), content_block: { ...block, input: {} } });
    for (const piece of inThree(JSON.stringify(input))) this.#delta({ type: "input_json_delta", partial_json: piece });
    this.#event("content_block_stop", { index: this.#index() });
  }

  /** @param {number} status */
  fail(status) {
    const body = anthropic.errorBody(status, `fake model: error ${status}`);
    if (this.#options.conversation.stream) {
      this.#options.send("error", body);
      this.#options.end();
    } else this.#options.sendJson(status, body);
  }

  close() {
    this.#end(this.#usedTool ? "tool_use" : "end_turn");
  }

  refuse() {
    this.#end("refusal");
  }

  /** @param {string} stop_reason */
  #end(stop_reason) {
    this.#endBlock();
    const usage = this.#usageAt(this.#pieces);
    this.#event("message_delta", { delta: { stop_reason, stop_sequence: null }, usage });
    this.#event("message_stop", {});
    if (this.#options.conversation.stream) this.#options.end();
    else this.#options.sendJson(200, { ...this.#message(), stop_reason, usage });
  }

  #message() {
    return { id: this.#id, type: "message", role: "assistant", model: this.#options.conversation.model, content: this.#blocks, stop_sequence: null };
  }

  /** @param {number} output */
  #usageAt(output) {
    const output_tokens = this.#usage.output ?? output;
    return { input_tokens: this.#usage.input, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens };
  }

  #index() {
    return this.#blocks.length - 1;
  }

  /**
   * The open block of this kind, beginning one if another kind is open.
   * @param {"text" | "thinking"} kind
   * @param {Record<string, unknown>} fresh
   */
  #block(kind, fresh) {
    if (this.#openKind !== kind) {
      this.#endBlock();
      this.#blocks.push({ ...fresh });
      this.#openKind = kind;
      this.#event("content_block_start", { index: this.#index(), content_block: fresh });
    }
    return /** @type {Record<string, unknown>} */ (this.#blocks.at(-1));
  }

  #endBlock() {
    if (this.#openKind === null) return;
    if (this.#openKind === "thinking") {
      const signature = "c2lnbmVk";
      Object.assign(this.#blocks.at(-1) ?? {}, { signature });
      this.#delta({ type: "signature_delta", signature });
    }
    this.#openKind = null;
    this.#event("content_block_stop", { index: this.#index() });
  }

  /** @param {Record<string, unknown>} delta */
  #delta(delta) {
    this.#pieces += 1;
    this.#event("content_block_delta", { index: this.#index(), delta });
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   */
  #event(type, fields) {
    if (this.#options.conversation.stream) this.#options.send(type, { type, ...fields });
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
    const blocks = typeof message.content === "string" ? [{ type: "text", text: message.content }] : list(message.content);
    // A result comes before what was typed after it, in whichever order the message has them.
    /** @type {import("./script.mjs").Event[]} */
    const prompts = [];
    for (const block of blocks) {
      if (block.type === "tool_use") history.push({ kind: "call", name: String(block.name) });
      else if (block.type === "tool_result") history.push({ kind: "result", text: plainText(block.content) });
      else if (block.type === "text" && message.role === "user") {
        const text = typed(String(block.text ?? ""));
        if (text) prompts.push({ kind: "user", text });
      }
    }
    history.push(...prompts);
  }
  return history;
}

/**
 * @param {Record<string, unknown>} body
 * @returns {string[]}
 */
function imagesOf(body) {
  const blocks = list(body.messages).filter((message) => message.role === "user").flatMap((message) => list(message.content));
  const sources = blocks.filter((block) => block.type === "image").map((block) => /** @type {{data?: unknown}} */ (block.source ?? {}));
  return sources.map(({ data }) => createHash("sha256").update(Buffer.from(String(data ?? ""), "base64")).digest("hex").slice(0, 16));
}

/** @param {unknown} value @returns {Record<string, unknown>[]} */
function list(value) {
  return Array.isArray(value) ? value.filter((item) => item !== null && typeof item === "object") : [];
}

/**
 * The text of a content field: a string, or blocks.
 * @param {unknown} content
 */
function plainText(content) {
  if (typeof content === "string") return content;
  return list(content)
    .map((block) => String(block.text ?? ""))
    .join(" ");
}

/**
 * A plausible number of tokens: four bytes each, which is the vendor's own rule of thumb.
 * @param {Record<string, unknown>} body
 */
function tokensOf(body) {
  return Math.ceil(JSON.stringify([body.system ?? "", body.messages ?? []]).length / 4);
}

/** @param {string} text */
function inThree(text) {
  const size = Math.ceil(text.length / 3);
  return [text.slice(0, size), text.slice(size, 2 * size), text.slice(2 * size)].filter(Boolean);
}
