// The OpenAI Responses dialect, as Codex speaks it: what a request means, and how an answer is spoken, streamed or as one JSON body.

import { createHash } from "node:crypto";
import { list, offered, toolCall } from "./responses-tools.mjs";
import { typed } from "./script.mjs";

const ERRORS = /** @type {Record<number, [string, string]>} */ ({
  400: ["invalid_request_error", "invalid_request"],
  401: ["invalid_request_error", "invalid_api_key"],
  404: ["invalid_request_error", "model_not_found"],
  429: ["rate_limit_error", "rate_limit_exceeded"],
  529: ["server_error", "server_is_overloaded"],
});

/** @type {import("./dialects.mjs").Dialect} */
export const responses = {
  name: "responses",

  route(method, path) {
    return method === "POST" && path === "/v1/responses" ? "answer" : null;
  },

  read(body) {
    const effort = /** @type {{ effort?: unknown } | null | undefined} */ (body.reasoning)?.effort;
    const asked = typeof effort === "string" ? { effort } : {};
    return { ...asked, history: historyOf(body), tools: new Set(offered(body).keys()), stream: body.stream === true, model: String(body.model ?? "unknown"), images: imagesOf(body) };
  },

  sideAnswer() {
    return null;
  },

  count() {
    return {};
  },

  models() {
    return null;
  },

  errorBody(status, message) {
    const [type, code] = ERRORS[status] ?? ["server_error", "server_error"];
    return { error: { message, type, param: null, code } };
  },

  voice(options) {
    return new Answer(options);
  },
};

/** One response being said: every event goes to `send` at once, or, for a plain request, the whole goes to `sendJson` at the end. */
class Answer {
  #options;
  #response;
  #usage;
  #tools;
  /** @type {Record<string, unknown>[]} */
  #output = [];
  /** @type {{kind: "text" | "thinking", id: string, text: string} | null} */
  #open = null;
  #sequence = 0;
  #pieces = 0;
  #thoughts = 0;

  /** @param {import("./dialects.mjs").VoiceOptions} options */
  constructor(options) {
    this.#options = options;
    this.#tools = offered(options.body);
    this.#response = { id: options.newId("resp"), object: "response", created_at: 1_767_225_600, model: options.conversation.model, error: null, incomplete_details: null };
    const asked = options.round?.steps.findLast((step) => step.do === "usage");
    this.#usage = asked?.do === "usage" ? { input: asked.input, output: asked.output } : { input: tokensOf(options.body), output: null };
  }

  open() {
    const response = { ...this.#response, status: "in_progress", output: [], usage: null };
    this.#event("response.created", { response });
    this.#event("response.in_progress", { response });
  }

  /** @param {string} piece */
  text(piece) {
    const item = this.#item("text");
    item.text += piece;
    this.#pieces += 1;
    this.#event("response.output_text.delta", { item_id: item.id, output_index: this.#output.length, content_index: 0, delta: piece });
  }

  /** @param {string} piece */
  think(piece) {
    const item = this.#item("thinking");
    item.text += piece;
    this.#pieces += 1;
    this.#thoughts += 1;
    this.#event("response.reasoning_summary_text.delta", { item_id: item.id, output_index: this.#output.length, summary_index: 0, delta: piece });
  }

  /** @param {{verb: string, argument: string}} call */
  tool({ verb, argument }) {
    this.#endItem();
    const { name, custom, namespace, text } = toolCall(verb, argument, this.#tools);
    const [type, field, prefix] = custom ? ["custom_tool_call", "input", "ctc"] : ["function_call", "arguments", "fc"];
    const at = { output_index: this.#output.length };
    const item = { type, id: this.#options.newId(prefix), call_id: this.#options.newId("call"), name, ...(namespace === null ? {} : { namespace }) };
    this.#event("response.output_item.added", { ...at, item: { ...item, status: "in_progress", [field]: "" } });
    for (const piece of inThree(text)) this.#event(`response.${type}_${field}.delta`, { ...at, item_id: item.id, delta: piece });
    this.#event(`response.${type}_${field}.done`, { ...at, item_id: item.id, [field]: text });
    this.#pieces += 1;
    this.#finish({ ...item, status: "completed", [field]: text });
  }

  /** @param {number} status */
  fail(status) {
    const { error } = /** @type {{error: {code: string, message: string}}} */ (responses.errorBody(status, `fake model: error ${status}`));
    if (this.#options.conversation.stream) {
      this.#event("response.failed", { response: { ...this.#response, status: "failed", output: this.#output, usage: null, error: { code: error.code, message: error.message } } });
      this.#options.end();
    } else this.#options.sendJson(status, { error });
  }

  close() {
    this.#end("completed", null);
  }

  refuse() {
    this.#end("incomplete", { reason: "content_filter" });
  }

  /**
   * @param {"completed" | "incomplete"} status
   * @param {{reason: string} | null} incomplete_details
   */
  #end(status, incomplete_details) {
    this.#endItem();
    const { input } = this.#usage;
    const output = this.#usage.output ?? this.#pieces;
    const usage = { input_tokens: input, input_tokens_details: { cached_tokens: 0 }, output_tokens: output, output_tokens_details: { reasoning_tokens: this.#thoughts }, total_tokens: input + output };
    const response = { ...this.#response, status, incomplete_details, output: this.#output, usage };
    this.#event(`response.${status}`, { response });
    if (this.#options.conversation.stream) this.#options.end();
    else this.#options.sendJson(200, response);
  }

  /**
   * The open item of this kind, beginning one if another kind is open.
   * @param {"text" | "thinking"} kind
   */
  #item(kind) {
    if (this.#open?.kind === kind) return this.#open;
    this.#endItem();
    const id = this.#options.newId(kind === "text" ? "msg" : "rs");
    const at = { output_index: this.#output.length };
    if (kind === "text") {
      this.#event("response.output_item.added", { ...at, item: { type: "message", id, status: "in_progress", role: "assistant", content: [] } });
      this.#event("response.content_part.added", { ...at, item_id: id, content_index: 0, part: { type: "output_text", text: "", annotations: [] } });
    } else {
      this.#event("response.output_item.added", { ...at, item: { type: "reasoning", id, summary: [] } });
      this.#event("response.reasoning_summary_part.added", { ...at, item_id: id, summary_index: 0, part: { type: "summary_text", text: "" } });
    }
    this.#open = { kind, id, text: "" };
    return this.#open;
  }

  #endItem() {
    if (this.#open === null) return;
    const { kind, id, text } = this.#open;
    this.#open = null;
    const at = { item_id: id, output_index: this.#output.length };
    if (kind === "text") {
      const part = { type: "output_text", text, annotations: [] };
      this.#event("response.output_text.done", { ...at, content_index: 0, text });
      this.#event("response.content_part.done", { ...at, content_index: 0, part });
      this.#finish({ type: "message", id, status: "completed", role: "assistant", content: [part] });
    } else {
      const part = { type: "summary_text", text };
      this.#event("response.reasoning_summary_text.done", { ...at, summary_index: 0, text });
      this.#event("response.reasoning_summary_part.done", { ...at, summary_index: 0, part });
      this.#finish({ type: "reasoning", id, summary: [part], encrypted_content: "ZmFrZQ==" });
    }
  }

  /** @param {Record<string, unknown>} item */
  #finish(item) {
    this.#event("response.output_item.done", { output_index: this.#output.length, item });
    this.#output.push(item);
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   */
  #event(type, fields) {
    if (this.#options.conversation.stream) this.#options.send(type, { type, sequence_number: this.#sequence++, ...fields });
  }
}

/**
 * @param {Record<string, unknown>} body
 * @returns {import("./script.mjs").Event[]}
 */
function historyOf(body) {
  if (typeof body.input === "string") return [{ kind: "user", text: body.input }];
  /** @type {import("./script.mjs").Event[]} */
  const history = [];
  for (const item of list(body.input)) {
    const type = String(item.type ?? "message");
    if (type === "message" && item.role === "user") {
      const text = typed(plainText(item.content));
      if (text) history.push({ kind: "user", text });
    } else if (type.endsWith("_call_output")) history.push({ kind: "result", text: plainText(item.output) });
    else if (type === "function_call" || type === "custom_tool_call" || type === "local_shell_call") history.push({ kind: "call", name: String(item.name ?? type) });
  }
  return history;
}

/**
 * @param {Record<string, unknown>} body
 * @returns {string[]}
 */
function imagesOf(body) {
  const parts = list(body.input).filter((item) => item.role === "user").flatMap((item) => list(item.content));
  const urls = parts.filter((part) => part.type === "input_image").map((part) => String(part.image_url ?? ""));
  return urls.map((url) => createHash("sha256").update(Buffer.from(url.slice(url.indexOf(",") + 1), "base64")).digest("hex").slice(0, 16));
}

/** @param {unknown} content */
function plainText(content) {
  if (typeof content === "string") return content;
  return list(content)
    .map((part) => String(part.text ?? ""))
    .join("\n");
}

/**
 * A plausible number of tokens: four bytes each.
 * @param {Record<string, unknown>} body
 */
function tokensOf(body) {
  return Math.ceil(JSON.stringify([body.instructions ?? "", body.input]).length / 4);
}

/** @param {string} text */
function inThree(text) {
  const size = Math.ceil(text.length / 3);
  return [text.slice(0, size), text.slice(size, 2 * size), text.slice(2 * size)].filter(Boolean);
}
