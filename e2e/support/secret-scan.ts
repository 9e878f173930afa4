// Looks for secrets in everything that a run has said and written.

import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { type Page, expect } from "@playwright/test";
import type { Towline } from "./towline.ts";

/** What a chat of the run must have said, so that a scan that finds nothing is known to look at the right places. */
export const CANARY = "a canary that is to be found";

export class SecretScan {
  readonly #heard: string[] = [];

  /** Hears every frame and every answer of a page from now on. */
  constructor(page: Page) {
    page.on("websocket", (socket) => {
      socket.on("framereceived", ({ payload }) => this.#heard.push(String(payload)));
      socket.on("framesent", ({ payload }) => this.#heard.push(String(payload)));
    });
    page.on("response", async (response) => this.#heard.push(await response.text().catch(() => "")));
  }

  /** Also looks at what a command says, whether it succeeds or not. */
  async ask(towline: Towline, ...args: string[]): Promise<void> {
    this.#heard.push(await towline.run("--json", ...args).catch((error: unknown) => String(error)));
  }

  /** Stops towline, and expects the secrets neither in what was said nor in any file below its data directory and the project. */
  async expectNowhere(secrets: string[], { towline, folder, project }: { towline: Towline; folder: string; project: string }): Promise<void> {
    for (const verb of ["audit", "logs", "doctor"]) await this.ask(towline, verb);
    this.#heard.push(towline.output);
    await towline.stop();
    const places = new Map<string, string>([["said", this.#heard.join("\n")]]);
    for (const root of [towline.dataDir, project]) {
      for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const file = path.join(entry.parentPath, entry.name);
        places.set(path.relative(folder, file), (await readFile(file)).toString("latin1"));
      }
    }
    const holding = (text: string) => [...places].filter(([, held]) => held.includes(text)).map(([place]) => place);
    // The scan finds what is there: the words of the chat, on the wire and on the disk.
    expect(holding(CANARY)).toContain("said");
    expect(holding(CANARY).length).toBeGreaterThan(1);
    for (const secret of secrets) expect(holding(secret), secret).toEqual([]);
  }
}
