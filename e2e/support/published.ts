// The published client, as a test sees it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Interface, createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { canonical } from "../../web/src/session/canonical.ts";
import { parseFact } from "../../web/src/session/fact.ts";
import { Transcript } from "../../web/src/session/fold.ts";

const PROGRAM = fileURLToPath(new URL("published.mjs", import.meta.url));
/** Its two answers in a row: who asks, and what it holds. */
const LIMIT_MS = 20_000;

export class PublishedClient {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  /** The claim to be confirmed. */
  readonly pairing: string;

  private constructor(child: ChildProcess, lines: Interface, pairing: string) {
    this.#child = child;
    this.#lines = lines;
    this.pairing = pairing;
  }

  /** Starts it, and has it ask to be let in. `node` is the Node that runs it. */
  static async start(node: string, { hub, code, certificate }: { hub: string; code: string; certificate: string | null }): Promise<PublishedClient> {
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", ...(certificate === null ? {} : { NODE_EXTRA_CA_CERTS: certificate }) };
    const child = spawn(node, [PROGRAM, hub, code], { env, stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout });
    const [first] = (await once(lines, "line", { signal: AbortSignal.timeout(LIMIT_MS) })) as [string];
    return new PublishedClient(child, lines, (JSON.parse(first) as { pairing: string }).pairing);
  }

  /** The canonical lines of a session, of what it has of its journal now. */
  async canonical(session: string): Promise<string> {
    const answer = once(this.#lines, "line", { signal: AbortSignal.timeout(LIMIT_MS) });
    this.#child.stdin?.write(`${session}\n`);
    const [line] = (await answer) as [string];
    const transcript = new Transcript();
    for (const fact of (JSON.parse(line) as unknown[]).map(parseFact)) if (fact !== null) transcript.journal(fact);
    return canonical(transcript).join("\n");
  }

  async end(): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await closed;
    clearTimeout(timer);
  }
}
