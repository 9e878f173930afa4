// Plays one round of a script in the voice of a dialect, at the script's speed.

import { setTimeout as sleep } from "node:timers/promises";

/** Time between two deltas where the script does not say: fast for tests, slow enough that each is a packet of its own. */
export const USUAL_RATE_MS = 5;
/** The pause between the last piece and a cut: a busy client must have read the piece before it sees the end of the connection. */
const CUT_AFTER_MS = 300;

/**
 * What a dialect must be able to say. A voice either streams each call as it comes or collects them for one JSON body.
 * @typedef {object} Voice
 * @property {() => void} open begins the answer
 * @property {(piece: string) => void} text one piece of the answer's text
 * @property {(piece: string) => void} think one piece of its thinking
 * @property {(call: {verb: string, argument: string}) => void} tool one whole tool call
 * @property {(status: number) => void} fail an error after the answer has begun
 * @property {() => void} refuse ends the answer as a model that declines to go on
 * @property {() => void} close ends the answer
 */

/**
 * How an answer ended.
 * @typedef {"sent" | "error" | "cut" | "client_gone"} Outcome
 */

/**
 * Plays the steps. Ends early, with `client_gone`, when `gone` fires; then nothing more is said.
 * @param {import("./script.mjs").Round} round
 * @param {object} on
 * @param {Voice} on.voice
 * @param {import("./script.mjs").Counters} on.counters
 * @param {import("./holds.mjs").Holds} on.holds
 * @param {(status: number) => void} on.refuse answers with an HTTP error instead
 * @param {() => void} on.cut drops the connection
 * @param {() => void} on.firstPiece called once, when the first piece of content is written
 * @param {AbortSignal} on.gone
 * @returns {Promise<Outcome>}
 */
export async function play(round, { voice, counters, holds, refuse, cut, firstPiece, gone }) {
  let rate = USUAL_RATE_MS;
  let opened = false;
  let spoken = false;
  let lastPiece = "";
  const open = () => {
    if (!opened) voice.open();
    opened = true;
  };
  const speak = async (/** @type {() => void} */ say) => {
    open();
    if (spoken && rate > 0) await sleep(rate, undefined, { signal: gone });
    if (gone.aborted) throw gone.reason;
    say();
    if (!spoken) firstPiece();
    spoken = true;
  };
  try {
    for (const step of round.steps) {
      switch (step.do) {
        case "rate":
          rate = step.ms;
          break;
        case "delay":
          await sleep(step.ms, undefined, { signal: gone });
          break;
        case "text":
          for (const word of step.words) {
            // Two texts one after the other are one text: "[[say a]] [[say b]]" is "a b".
            const piece = /\S$/.test(lastPiece) ? ` ${word}` : word;
            await speak(() => voice.text(piece));
            lastPiece = piece;
          }
          break;
        case "stamps":
          // For benches: each word is the moment at which it was sent.
          for (let n = 0; n < step.count; n++) await speak(() => voice.text(`${microseconds()} `));
          lastPiece = " ";
          break;
        case "think":
          lastPiece = "";
          for (const word of step.words) await speak(() => voice.think(word));
          break;
        case "tool":
          lastPiece = "";
          await speak(() => voice.tool(step));
          break;
        case "error":
          if (!counters.take(round.key, step)) break;
          if (opened) voice.fail(step.status);
          else refuse(step.status);
          return "error";
        case "disconnect":
          if (!counters.take(round.key, step)) break;
          // What was written must reach the client first, or "cut in the middle" becomes "cut before the start".
          await sleep(CUT_AFTER_MS);
          cut();
          return "cut";
        case "hang":
          open();
          await leaving(gone);
          break;
        case "refuse":
          open();
          voice.refuse();
          return "sent";
        case "hold":
          await holds.wait(step.name, gone);
          break;
        case "usage":
        case "limit":
        case "par":
          break;
      }
    }
    open();
    voice.close();
    return "sent";
  } catch (error) {
    if (gone.aborted) return "client_gone";
    throw error;
  }
}

/** The Unix time in microseconds. */
function microseconds() {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

/**
 * Waits, however long, for the client to leave; then rejects.
 * @param {AbortSignal} gone
 */
function leaving(gone) {
  return new Promise((_, reject) => {
    if (gone.aborted) reject(gone.reason);
    else gone.addEventListener("abort", () => reject(gone.reason), { once: true });
  });
}
