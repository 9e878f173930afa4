// The fake model server as a process of its own, and what its log says.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { ReadyProgram } from "./ready-line.ts";

const PROGRAM = fileURLToPath(new URL("../fake-model/server.mjs", import.meta.url));

/** One line of the log; times are Unix ms with a fraction. */
export interface LogLine {
  event: "request" | "response";
  request: number;
  atMs: number;
  method?: string;
  path?: string;
  prompt?: string;
  callsDone?: number;
  /** The model that was asked. */
  model?: string;
  /** How hard it was to think. */
  effort?: string;
  /** Whether the agent asked for something of its own, such as a title. */
  side?: boolean;
  /** Everything typed in this conversation so far, the newest last, each cut to 200 characters. */
  typed?: string[];
  /** The pictures of this conversation so far, each by the start of its SHA-256. */
  images?: string[];
  how?: string;
  status?: number | null;
  firstPieceAtMs?: number | null;
}

export class FakeModel {
  readonly port: number;
  readonly #program: ReadyProgram;
  readonly #logFile: string;

  private constructor(program: ReadyProgram, logFile: string) {
    this.#program = program;
    this.#logFile = logFile;
    this.port = Number(program.ready.port);
  }

  /** Starts it; `node` is the Node that runs it, this one by default. */
  static async start(logFile: string, node: string = process.execPath): Promise<FakeModel> {
    const args = [PROGRAM, "--port", "0", "--log", logFile];
    return new FakeModel(await ReadyProgram.start({ program: node, args, env: { PATH: "/usr/bin:/bin" } }), logFile);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Everything that was asked and answered so far. */
  async log(): Promise<LogLine[]> {
    const text = await readFile(this.#logFile, "utf8").catch(() => "");
    return text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as LogLine);
  }

  /** Lets every answer go on that waits at `[[hold NAME]]`, now and later. */
  async release(name: string): Promise<void> {
    const answer = await fetch(`${this.url}/hold/${name}`, { method: "POST" });
    if (!answer.ok) throw new Error(`hold ${name}: ${answer.status}`);
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }
}
