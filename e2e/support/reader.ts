// Folds what a page's browser really received, so that two pages and the command line can be compared byte by byte.

import type { Page, Response, WebSocket } from "@playwright/test";
import { canonical } from "../../web/src/session/canonical.ts";
import { type Fact, parseFact } from "../../web/src/session/fact.ts";
import { Transcript } from "../../web/src/session/fold.ts";

interface TranscriptPage {
  facts: unknown[];
  open: unknown[];
}

/** Attached before the page goes anywhere, it has the same transcript as the page. */
export class Reader {
  #transcript = new Transcript();
  /** What was received, taken in one after another: the body of an answer may come later than the frames behind it. */
  #taken: Promise<void> = Promise.resolve();

  constructor(page: Page) {
    page.on("response", (response) => this.#answer(response));
    page.on("websocket", (socket) => this.#socket(socket));
  }

  /** The canonical lines of the session that the page has opened last. */
  async canonical(): Promise<string> {
    await this.#taken;
    return canonical(this.#transcript).join("\n");
  }

  #answer(response: Response): void {
    const url = new URL(response.url());
    if (!/^\/v1\/sessions\/[^/]+\/transcript$/.test(url.pathname) || response.status() !== 200) return;
    const older = url.searchParams.has("before");
    this.#take(async () => {
      // The body of an answer that a reload overtook is gone; the page did not see it either.
      const page = (await response.json().catch(() => null)) as TranscriptPage | null;
      if (page === null) return;
      if (older) this.#transcript.older(facts(page.facts));
      else {
        this.#transcript = new Transcript();
        for (const fact of facts([...page.facts, ...page.open])) this.#transcript.journal(fact);
      }
    });
  }

  #socket(socket: WebSocket): void {
    const streams = new Map<number, string>();
    socket.on("framesent", ({ payload }) => {
      const frame = JSON.parse(String(payload)) as { type: string; sub: number; stream: string };
      if (frame.type === "subscribe") streams.set(frame.sub, frame.stream);
    });
    socket.on("framereceived", ({ payload }) => {
      const frame = JSON.parse(String(payload)) as { type: string; sub: number; messages: unknown[] };
      if (frame.type !== "batch") return;
      const stream = streams.get(frame.sub) ?? "";
      const turn = /^turns\/([^/]+)\/live$/.exec(stream)?.[1];
      this.#take(async () => {
        for (const fact of facts(frame.messages)) {
          if (turn !== undefined) this.#transcript.live(turn, fact);
          else if (stream.endsWith("/journal")) this.#transcript.journal(fact);
        }
      });
    });
  }

  #take(step: () => Promise<void>): void {
    this.#taken = this.#taken.then(step);
  }
}

function facts(messages: unknown[]): Fact[] {
  return messages.map(parseFact).filter((fact) => fact !== null);
}
