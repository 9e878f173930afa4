// The Gemini dialect: `generateContent`, streamed or as one JSON body.

import { createHash } from "node:crypto";
import { offeredCall } from "./agent-tools.mjs";
import { typed } from "./script.mjs";

const STATUS = /** @type {Record<number, string>} */ ({
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
});

const ROUTE = /^\/v1beta\/models\/([^/:]+):(generateContent|streamGenerateContent|countTokens)$/;

/** @type {import("./dialects.mjs").Dialect} */
export const gemini = {
  name: "gemini",

  route(method, path) {
    const action = method === "POST" ? ROUTE.exec(path)?.[2] : undefined;
    if (action === undefined) return null;
    return action === "countTokens" ? "count" : "answer";
  },

  read(body, path) {
    const [, model = "unknown", action] = ROUTE.exec(path) ?? [];
    const declared = list(body.tools).flatMap((tool) => list(tool.functionDeclarations));
    const tools = new Set(declared.map((tool) => String(tool.name)));
    return { history: historyOf(body), tools, stream: action === "streamGenerateContent", model, images: imagesOf(body) };
  },

  sideAnswer(body) {
    // The CLI asks beside the conversation, with a schema for the answer: which model to take, who speaks next.
    const config = /** @type {Record<string, unknown>} */ (body.generationConfig ?? {});
    const schema = config.responseJsonSchema ?? config.responseSchema;
    return schema ? JSON.stringify(invented(/** @type {Schema} */ (schema))) : null;
  },

  count(body) {
    return { totalTokens: tokensOf(body) };
  },

  models() {
    return null;
  },

  errorBody(status, message) {
    return { error: { code: status, message, status: STATUS[status] ?? "UNKNOWN" } };
  },

  voice(options) {
    return new Answer(options);
  },
};

class Answer {
  #options;
  /** @type {Record<string, unknown>[]} */
  #parts = [];
  #pieces = 0;
  #usage;
  #id;

  /** @param {import("./dialects.mjs").VoiceOptions} options */
  constructor(options) {
    this.#options = options;
    this.#id = options.newId("resp");
    const asked = options.round?.steps.findLast((step) => step.do === "usage");
    this.#usage = asked?.do === "usage" ? { input: asked.input, output: asked.output } : { input: tokensOf(options.body), output: null };
  }

  open() {
    if (this.#options.conversation.stream) this.#options.send("", this.#response([{ text: "" }], null));
  }

  /** @param {string} text */
  text(text) {
    this.#say({ text });
  }

  /** @param {string} text */
  think(text) {
    this.#say({ text, thought: true });
  }

  /** @param {{verb: string, argument: string}} call */
  tool({ verb, argument }) {
    const { name, input } = offeredCall(verb, argument, this.#options.conversation.tools);
    this.#say({ functionCall: { name, args: input, id: this.#options.newId("call") } });
  }

  /** @param {number} status */
  fail(status) {
    const body = gemini.errorBody(status, `fake model: error ${status}`);
    if (this.#options.conversation.stream) {
      this.#options.send("", body);
      this.#options.end();
    } else this.#options.sendJson(status, body);
  }

  close() {
    this.#end("STOP");
  }

  refuse() {
    this.#end("SAFETY");
  }

  /** @param {string} reason */
  #end(reason) {
    if (this.#options.conversation.stream) {
      this.#options.send("", this.#response([{ text: "" }], reason));
      this.#options.end();
    } else this.#options.sendJson(200, this.#response(this.#parts, reason));
  }

  /** @param {Record<string, unknown>} part */
  #say(part) {
    this.#parts.push(part);
    this.#pieces += 1;
    if (this.#options.conversation.stream) this.#options.send("", this.#response([part], null));
  }

  /**
   * @param {Record<string, unknown>[]} parts
   * @param {string | null} finishReason
   */
  #response(parts, finishReason) {
    const candidate = { content: { role: "model", parts }, index: 0, ...(finishReason === null ? {} : { finishReason }) };
    const { input, output } = this.#usage;
    const said = output ?? this.#pieces;
    const usageMetadata = { promptTokenCount: input, candidatesTokenCount: said, totalTokenCount: input + said };
    return { candidates: [candidate], modelVersion: this.#options.conversation.model, responseId: this.#id, usageMetadata };
  }
}

/**
 * @param {Record<string, unknown>} body
 * @returns {import("./script.mjs").Event[]}
 */
function historyOf(body) {
  /** @type {import("./script.mjs").Event[]} */
  const history = [];
  for (const content of list(body.contents)) {
    /** @type {string[]} */
    const prompt = [];
    for (const part of list(content.parts)) {
      const call = /** @type {{name?: unknown} | undefined} */ (part.functionCall);
      const result = /** @type {{response?: unknown} | undefined} */ (part.functionResponse);
      if (call) history.push({ kind: "call", name: String(call.name) });
      else if (result) history.push({ kind: "result", text: resultText(result.response) });
      else if (content.role === "user" && typeof part.text === "string") {
        const text = typed(part.text);
        if (text) prompt.push(text);
      }
    }
    if (prompt.length > 0) history.push({ kind: "user", text: prompt.join("\n") });
  }
  return history;
}

/** @param {unknown} response */
function resultText(response) {
  const { output } = /** @type {{output?: unknown}} */ (response ?? {});
  return typeof output === "string" ? output : JSON.stringify(response ?? {});
}

/**
 * @param {Record<string, unknown>} body
 * @returns {string[]}
 */
function imagesOf(body) {
  const parts = list(body.contents).filter((content) => content.role === "user").flatMap((content) => list(content.parts));
  const data = parts.flatMap((part) => (part.inlineData ? [String(/** @type {{data?: unknown}} */ (part.inlineData).data ?? "")] : []));
  return data.map((bytes) => createHash("sha256").update(Buffer.from(bytes, "base64")).digest("hex").slice(0, 16));
}

/** @typedef {{type?: string | string[], enum?: unknown[], properties?: Record<string, Schema>}} Schema */

/**
 * A value that a schema allows.
 * @param {Schema} schema
 * @returns {unknown}
 */
function invented(schema) {
  if (schema.enum) return schema.enum[0];
  const type = String(Array.isArray(schema.type) ? schema.type[0] : (schema.type ?? "object")).toLowerCase();
  if (type === "object") return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([key, value]) => [key, invented(value)]));
  return /** @type {Record<string, unknown>} */ ({ string: "fake", integer: 1, number: 1, boolean: false, array: [] })[type] ?? null;
}

/** @param {unknown} value @returns {Record<string, unknown>[]} */
function list(value) {
  return Array.isArray(value) ? value.filter((item) => item !== null && typeof item === "object") : [];
}

/** @param {Record<string, unknown>} body */
function tokensOf(body) {
  return Math.ceil(JSON.stringify([body.systemInstruction ?? "", body.contents ?? []]).length / 4);
}
