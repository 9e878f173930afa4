// The server itself: loopback only, reads a request, finds its dialect and round, has it played, and logs when what happened.

import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import { dialects } from "./dialects.mjs";
import { Holds } from "./holds.mjs";
import { limitHeaders } from "./limits.mjs";
import { play } from "./player.mjs";
import { Counters, ScriptError, inWords, roundOf } from "./script.mjs";

/** Larger bodies are refused; a full context window of text is below 10 MB. */
const BODY_LIMIT_BYTES = 64 * 1024 * 1024;

/**
 * Starts the server on 127.0.0.1.
 * @param {{port?: number, logFile?: string | null, seed?: string}} [options] port 0: any free one; seed: makes ids repeatable
 * @returns {Promise<{port: number, close: () => Promise<void>}>}
 */
export async function startFakeModel({ port = 0, logFile = null, seed = randomBytes(4).toString("hex") } = {}) {
  let ids = 0;
  let requests = 0;
  const desk = {
    counters: new Counters(),
    holds: new Holds(),
    newId: (/** @type {string} */ prefix) => `${prefix}_${seed}${String(++ids).padStart(6, "0")}`,
    nextRequest: () => ++requests,
    log: (/** @type {Record<string, unknown>} */ entry) => {
      if (logFile !== null) appendFileSync(logFile, `${JSON.stringify(entry)}\n`);
    },
  };
  const server = createServer((request, response) => {
    const arrivedAtMs = nowMs();
    new Exchange(desk, request, response, arrivedAtMs).run().catch((error) => {
      // A client that leaves while it still sends its request is no fault of ours.
      if (request.complete) console.error(error);
      response.destroy();
    });
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(undefined));
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return {
    port: address.port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Unix time in ms with a fraction: the wall clock's start plus the monotonic clock, so differences are exact. */
function nowMs() {
  return Math.round((performance.timeOrigin + performance.now()) * 1000) / 1000;
}

/** One request and its answer. */
class Exchange {
  #desk;
  #request;
  #response;
  #number;
  #arrivedAtMs;
  /** @type {number | null} */
  #firstPieceAtMs = null;
  /** @type {Record<string, string>} */
  #limits = {};

  /**
   * @param {{counters: Counters, holds: Holds, newId: (prefix: string) => string, nextRequest: () => number, log: (entry: Record<string, unknown>) => void}} desk
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   * @param {number} arrivedAtMs
   */
  constructor(desk, request, response, arrivedAtMs) {
    this.#desk = desk;
    this.#request = request;
    this.#response = response;
    this.#number = desk.nextRequest();
    this.#arrivedAtMs = arrivedAtMs;
  }

  async run() {
    const method = this.#request.method ?? "GET";
    const path = (this.#request.url ?? "/").split("?")[0] ?? "/";
    const held = method === "POST" ? /^\/hold\/([a-z0-9-]+)$/.exec(path)?.[1] : undefined;
    if (held !== undefined) {
      this.#desk.holds.release(held);
      this.#logRequest(method, path, {});
      return this.#json(200, { ok: true });
    }
    if (this.#request.headers.upgrade !== undefined) {
      // Codex tries a WebSocket first; with this answer it falls back to POST at once.
      this.#logRequest(method, path, {});
      return this.#json(426, { error: { type: "upgrade_required", message: "there are no WebSockets here" } });
    }
    const dialect = dialects.find((d) => d.route(method, path) !== null);
    if (!dialect) {
      this.#logRequest(method, path, {});
      const alive = path === "/" && (method === "GET" || method === "HEAD");
      return this.#json(alive ? 200 : 404, alive ? { ok: true } : { type: "error", error: { type: "not_found_error", message: `no ${method} ${path} here` } });
    }
    const route = dialect.route(method, path);
    if (route === "models") {
      this.#logRequest(method, path, { dialect: dialect.name });
      const found = dialect.models(path);
      return found ? this.#json(200, found) : this.#json(404, dialect.errorBody(404, "no such model"));
    }
    const body = await this.#body();
    if (typeof body === "number") {
      this.#logRequest(method, path, { dialect: dialect.name });
      return this.#json(body, dialect.errorBody(body, body === 413 ? "the body is too large" : "the body is not a JSON object"));
    }
    if (route === "count") {
      this.#logRequest(method, path, { dialect: dialect.name });
      return this.#json(200, dialect.count(body));
    }
    return this.#answer(dialect, body, method, path);
  }

  /**
   * @param {import("./dialects.mjs").Dialect} dialect
   * @param {Record<string, unknown>} body
   * @param {string} method
   * @param {string} path
   */
  async #answer(dialect, body, method, path) {
    const conversation = dialect.read(body, path);
    const side = dialect.sideAnswer(body);
    const about = { dialect: dialect.name, model: conversation.model, ...(conversation.effort === undefined ? {} : { effort: conversation.effort }), stream: conversation.stream, tools: conversation.tools.size, side: side !== null };
    try {
      const round = side === null ? roundOf(conversation.history) : sideRound(side);
      const typed = conversation.history.flatMap((event) => (event.kind === "user" ? [event.text.slice(0, 200)] : []));
      this.#logRequest(method, path, { ...about, prompt: round.prompt.slice(0, 200), promptKey: round.key, callsDone: round.callsDone, typed, images: conversation.images });
      const limit = round.steps.findLast((step) => step.do === "limit");
      if (limit?.do === "limit") this.#limits = limitHeaders(limit.percent, Date.now());
      const voice = dialect.voice({
        body,
        conversation,
        round,
        newId: this.#desk.newId,
        send: (event, data) => this.#event(event, data),
        end: () => this.#response.end(),
        sendJson: (status, answer) => this.#write(status, answer),
      });
      const outcome = await play(round, {
        voice,
        counters: this.#desk.counters,
        holds: this.#desk.holds,
        refuse: (status) => this.#write(status, dialect.errorBody(status, `fake model: error ${status}`)),
        cut: () => this.#response.destroy(),
        firstPiece: () => (this.#firstPieceAtMs = nowMs()),
        gone: this.#gone(),
      });
      this.#logResponse(outcome);
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      if (this.#response.headersSent) this.#response.destroy();
      else this.#write(400, dialect.errorBody(400, `fake model: ${error.message}`));
      this.#logResponse("script_error");
    }
  }

  /** Fires when the client closes the connection before the answer is complete. */
  #gone() {
    const controller = new AbortController();
    const left = () => controller.abort(new Error("the client has gone"));
    if (this.#response.destroyed) left();
    this.#response.once("close", () => {
      if (!this.#response.writableFinished) left();
    });
    return controller.signal;
  }

  /** @returns {Promise<Record<string, unknown> | 400 | 413>} the parsed body, or the status that refuses it */
  async #body() {
    const parts = [];
    let size = 0;
    for await (const part of this.#request) {
      size += part.length;
      if (size > BODY_LIMIT_BYTES) return 413;
      parts.push(part);
    }
    try {
      const body = JSON.parse(Buffer.concat(parts).toString("utf8"));
      return body !== null && typeof body === "object" && !Array.isArray(body) ? body : 400;
    } catch {
      return 400;
    }
  }

  /**
   * @param {string} event
   * @param {unknown} data
   */
  #event(event, data) {
    if (!this.#response.headersSent) {
      this.#response.socket?.setNoDelay(true);
      this.#response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "request-id": this.#desk.newId("req"), ...this.#limits });
    }
    const name = event === "" ? "" : `event: ${event}\n`;
    this.#response.write(`${name}data: ${data === "[DONE]" ? data : JSON.stringify(data)}\n\n`);
  }

  /**
   * @param {number} status
   * @param {unknown} body
   */
  #write(status, body) {
    if (this.#response.destroyed) return;
    this.#response.writeHead(status, { "content-type": "application/json", "request-id": this.#desk.newId("req"), ...this.#limits });
    this.#response.end(JSON.stringify(body));
  }

  /**
   * @param {number} status
   * @param {unknown} body
   */
  #json(status, body) {
    this.#write(status, body);
    this.#logResponse(status === 200 ? "sent" : "error");
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Record<string, unknown>} more
   */
  #logRequest(method, path, more) {
    this.#desk.log({ event: "request", request: this.#number, atMs: this.#arrivedAtMs, method, path, ...more });
  }

  /** @param {string} how */
  #logResponse(how) {
    const status = this.#response.headersSent ? this.#response.statusCode : null;
    this.#desk.log({ event: "response", request: this.#number, atMs: nowMs(), how, status, firstPieceAtMs: this.#firstPieceAtMs });
  }
}

/**
 * @param {string} text
 * @returns {import("./script.mjs").Round}
 */
function sideRound(text) {
  return { prompt: "", key: "side", callsDone: 0, steps: [{ at: 0, do: "text", words: inWords(text) }] };
}
