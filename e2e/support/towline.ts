// The real towline binary: started on a free port, stopped, killed, and started again where it was.

import { execFile } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { ReadyProgram } from "./ready-line.ts";

export interface TowlineOptions {
  /** A temporary folder of this test; home, data directory and the folder of agents lie below it. */
  folder: string;
  /** The registered projects. */
  projects: string[];
  /** Programs that agents are looked up as, by name: `{ claude: "/path/to/binary" }`. */
  agents: Record<string, string>;
  /** Variables that agents get, each named to towline by `--agent-env`. */
  agentVariables: Record<string, string>;
  /** Variables of towline's own. */
  variables?: Record<string, string>;
  /** The binary; the one named by TOWLINE_BIN by default. */
  binary?: string;
  /** Further arguments of `up`. */
  args?: string[];
}

/** What the ready line of `towline up --json` says; there is no code once a device is paired, unless asked for. */
export interface Ready {
  url: string;
  pairUrl: string | null;
  code: string | null;
}

/** How long a command of the CLI may take; a `tail` waits until its session is idle. */
const COMMAND_LIMIT_MS = 60_000;

const SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin";

export class Towline {
  readonly #options: TowlineOptions;
  #program: ReadyProgram | null = null;
  #ready: Ready | null = null;

  private constructor(options: TowlineOptions) {
    this.#options = options;
  }

  static async start(options: TowlineOptions): Promise<Towline> {
    const towline = new Towline(options);
    await mkdir(towline.home, { recursive: true });
    await mkdir(towline.#agentsFolder, { recursive: true });
    for (const [name, program] of Object.entries(options.agents)) await symlink(program, path.join(towline.#agentsFolder, name));
    await towline.#start("127.0.0.1:0");
    return towline;
  }

  get dataDir(): string {
    return path.join(this.#options.folder, "data");
  }

  get home(): string {
    return path.join(this.#options.folder, "home");
  }

  get ready(): Ready {
    if (this.#ready === null) throw new Error("towline has never been started");
    return this.#ready;
  }

  get port(): number {
    return Number(new URL(this.ready.url).port);
  }

  get pid(): number {
    return this.#running().pid;
  }

  /** The binary with the environment it runs in, for other commands (`towline tail …`) on the same data directory. */
  command(): { program: string; env: Record<string, string>; args: string[] } {
    return { program: this.#binary, env: this.#environment, args: ["--data-dir", this.dataDir] };
  }

  /** Runs a command on the same data directory and gives what it prints; throws, with its errors, unless it exits with 0. */
  async run(...args: string[]): Promise<string> {
    const { program, env, args: first } = this.command();
    const { stdout } = await promisify(execFile)(program, [...first, ...args], { env, timeout: COMMAND_LIMIT_MS, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  }

  /** Runs a command with `--json` and gives its rows. */
  async rows(...args: string[]): Promise<Record<string, unknown>[]> {
    const text = await this.run("--json", ...args);
    return text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Ends it as a person would; throws unless it exits with 0. */
  async stop(): Promise<void> {
    const how = await this.#running().stop();
    this.#program = null;
    if (how !== "exit code 0") throw new Error(`towline ended with ${how}`);
  }

  async kill9(): Promise<void> {
    await this.#running().kill9();
    this.#program = null;
  }

  /** Starts it again after `stop` or `kill9`: same data directory, same port. */
  async restart(): Promise<Ready> {
    if (this.#program !== null) throw new Error("towline still runs");
    await this.#start(`127.0.0.1:${this.port}`);
    return this.ready;
  }

  /** For the end of a test: whatever state it is in. */
  async end(): Promise<void> {
    if (this.#program !== null) await this.stop();
  }

  /** What it printed since it was last started. */
  get output(): string {
    return this.#program?.output ?? "";
  }

  async #start(listen: string): Promise<void> {
    const { projects, agentVariables, args = [] } = this.#options;
    const named = (flag: string, values: string[]) => values.flatMap((value) => [flag, value]);
    this.#program = await ReadyProgram.start({
      program: this.#binary,
      args: [
        ...["up", "--json", "--no-open", "--data-dir", this.dataDir, "--listen", listen],
        ...named("--project", projects),
        ...named("--agent-env", Object.keys(agentVariables)),
        ...args,
      ],
      env: this.#environment,
      cwd: this.home,
    });
    const { url, pairUrl, code } = this.#program.ready;
    if (typeof url !== "string") {
      await this.kill9();
      throw new Error(`the ready line has no url: ${JSON.stringify({ url, pairUrl, code })}`);
    }
    this.#ready = { url, pairUrl: typeof pairUrl === "string" ? pairUrl : null, code: typeof code === "string" ? code : null };
  }

  /** Nothing of the tester's own environment: what is not here, towline and its agents do not see. */
  get #environment(): Record<string, string> {
    return { PATH: `${this.#agentsFolder}:${SYSTEM_PATH}`, HOME: this.home, LANG: "C.UTF-8", ...this.#options.variables, ...this.#options.agentVariables };
  }

  get #agentsFolder(): string {
    return path.join(this.#options.folder, "agents");
  }

  get #binary(): string {
    const binary = this.#options.binary ?? process.env.TOWLINE_BIN;
    if (!binary) throw new Error("TOWLINE_BIN is not set; it names the towline binary to test (cargo xtask e2e sets it)");
    return path.resolve(binary);
  }

  #running(): ReadyProgram {
    if (this.#program === null) throw new Error("towline does not run");
    return this.#program;
  }
}
