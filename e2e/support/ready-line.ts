// Starts a program of ours and waits for the one JSON line in which it says that it is ready.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** A program that has not said it is ready by then is broken; a debug build on a busy machine takes about two seconds. */
const READY_LIMIT_MS = 20_000;
/** How long a program may take to end after SIGTERM before it is killed and the test told. */
const STOP_LIMIT_MS = 10_000;

export interface Start {
  program: string;
  args: string[];
  env: Record<string, string>;
  cwd?: string;
}

/** A running program that has said it is ready. */
export class ReadyProgram {
  /** The parsed ready line. */
  readonly ready: Record<string, unknown>;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  readonly #output: string[];

  private constructor(child: ChildProcess, ready: Record<string, unknown>, ended: Promise<string>, output: string[]) {
    this.#child = child;
    this.ready = ready;
    this.#ended = ended;
    this.#output = output;
  }

  /** Starts it. Rejects, with what the program printed, when it ends or stays silent. */
  static async start({ program, args, env, cwd }: Start): Promise<ReadyProgram> {
    // The open stdin pipe is what tells the fake model server that the test is still there.
    const child = spawn(program, args, { env, cwd, stdio: ["pipe", "pipe", "pipe"] });
    const output: string[] = [];
    child.stderr.setEncoding("utf8").on("data", (text: string) => keep(output, text));
    const lines = createInterface({ input: child.stdout });
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(String(error)));
      child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    const ready = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const fail = (why: string) => {
        clearTimeout(timer);
        child.kill("SIGKILL");
        reject(new Error(`${program} ${args.join(" ")}: ${why}\n${output.join("")}`));
      };
      const timer = setTimeout(() => fail(`said nothing for ${READY_LIMIT_MS} ms`), READY_LIMIT_MS);
      void ended.then((how) => fail(`ended with ${how} before it was ready`));
      lines.once("line", (line) => {
        clearTimeout(timer);
        try {
          resolve(JSON.parse(line) as Record<string, unknown>);
        } catch {
          fail(`its first line is not JSON: ${line}`);
        }
        lines.on("line", (more) => keep(output, `${more}\n`));
      });
    });
    return new ReadyProgram(child, ready, ended, output);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error("a started program has a pid");
    return this.#child.pid;
  }

  /** What it printed beside the ready line, the newest part. */
  get output(): string {
    return this.#output.join("");
  }

  /** Asks it to end and waits. Gives how it ended: "exit code 0", or the signal. Throws if it had to be killed. */
  async stop(): Promise<string> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_LIMIT_MS);
    const how = await this.#ended;
    clearTimeout(timer);
    if (how === "SIGKILL") throw new Error(`did not end within ${STOP_LIMIT_MS} ms of SIGTERM\n${this.output}`);
    return how;
  }

  /** kill -9, and waits until the process is gone. */
  async kill9(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** Keeps the last 1,000 pieces: enough to see why a test failed, bounded whatever a program prints. */
function keep(output: string[], text: string): void {
  output.push(text);
  if (output.length > 1_000) output.shift();
}
