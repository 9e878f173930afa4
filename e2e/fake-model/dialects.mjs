// The dialects the server speaks. The first that knows a path answers it.

import { anthropic } from "./anthropic.mjs";
import { gemini } from "./gemini.mjs";
import { openaiChat } from "./openai-chat.mjs";
import { responses } from "./responses.mjs";

/**
 * @typedef {object} Conversation
 * @property {import("./script.mjs").Event[]} history
 * @property {Set<string>} tools names of the tools on offer
 * @property {boolean} stream
 * @property {string} model
 * @property {string} [effort] how hard the model is to think, when the request says so
 * @property {string[]} images the pictures among what was typed, oldest first: the start of the SHA-256 of each one's bytes
 *
 * @typedef {object} VoiceOptions
 * @property {Record<string, unknown>} body
 * @property {Conversation} conversation
 * @property {import("./script.mjs").Round} [round]
 * @property {(prefix: string) => string} newId
 * @property {(event: string, data: unknown) => void} send one server-sent event; without a name when it is empty, and `[DONE]` as it stands
 * @property {() => void} end ends the event stream
 * @property {(status: number, body: unknown) => void} sendJson the whole answer to a plain request
 *
 * @typedef {object} Dialect
 * @property {string} name
 * @property {(method: string, path: string) => "answer" | "count" | "models" | null} route
 * @property {(body: Record<string, unknown>, path: string) => Conversation} read
 * @property {(body: Record<string, unknown>) => string | null} sideAnswer what to say to a request made beside the conversation
 * @property {(body: Record<string, unknown>) => unknown} count
 * @property {(path: string) => unknown} models null if there is no such model
 * @property {(status: number, message: string) => unknown} errorBody
 * @property {(options: VoiceOptions) => import("./player.mjs").Voice} voice
 */

/** @type {Dialect[]} */
export const dialects = [anthropic, gemini, openaiChat, responses];
