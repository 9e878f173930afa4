// A hub without a host, and machines that are linked to it: real processes, one folder each.

import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { expect } from "@playwright/test";
import { ReadyProgram } from "./ready-line.ts";
import { Towline } from "./towline.ts";

const LIMIT_MS = 60_000;

/** `towline hub`, on a free port of this machine. */
export class HubServer {
  readonly #program: ReadyProgram;
  readonly #folder: string;
  readonly url: string;
  /** Lets the owner in. */
  readonly setupUrl: string;

  private constructor(program: ReadyProgram, folder: string) {
    this.#program = program;
    this.#folder = folder;
    const { url, setupUrl } = program.ready;
    if (typeof url !== "string" || typeof setupUrl !== "string") throw new Error(`the ready line of the hub: ${JSON.stringify(program.ready)}`);
    this.url = url;
    this.setupUrl = setupUrl;
  }

  static async start(folder: string): Promise<HubServer> {
    await mkdir(path.join(folder, "home"), { recursive: true });
    const args = ["hub", "--json", "--data-dir", path.join(folder, "data"), "--listen", "127.0.0.1:0"];
    return new HubServer(await ReadyProgram.start({ program: binary(), args, env: environment(folder), cwd: path.join(folder, "home") }), folder);
  }

  /** Runs a command on the hub's own machine; throws unless it exits with 0. */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(binary(), ["--data-dir", path.join(this.#folder, "data"), ...args], { env: environment(this.#folder), timeout: LIMIT_MS });
    return stdout;
  }

  async rows(...args: string[]): Promise<Record<string, unknown>[]> {
    const text = await this.run("--json", ...args);
    return text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async stop(): Promise<void> {
    const how = await this.#program.stop();
    if (how !== "exit code 0") throw new Error(`the hub ended with ${how}`);
  }
}

/** Starts a machine with a project of that name, and links it by a code that was made at the hub. */
export async function linked(hub: HubServer, folder: string, name: string, project: string): Promise<Towline> {
  const place = path.join(folder, "home", project);
  await mkdir(place, { recursive: true });
  const machine = await Towline.start({ folder, projects: [place], agents: {}, agentVariables: {}, args: ["--name", name] });
  const [offer] = await hub.rows("pair");
  const adding = machine.run("link", "add", hub.url, "--code", String(offer?.code));
  await expect(async () => {
    const asks = (await hub.rows("pair", "list")).find((claim) => claim.name === name);
    expect(asks).toBeDefined();
    await hub.run("pair", "allow", String(asks?.pairing));
  }).toPass({ timeout: 20_000 });
  await adding;
  await expect.poll(async () => (await hub.rows("hosts")).find((host) => host.name === name)?.presence, { timeout: 20_000 }).toBe("online");
  return machine;
}

function environment(folder: string): Record<string, string> {
  return { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: path.join(folder, "home"), LANG: "C.UTF-8" };
}

function binary(): string {
  if (!process.env.TOWLINE_BIN) throw new Error("TOWLINE_BIN is not set; it names the towline binary to test (cargo xtask e2e sets it)");
  return path.resolve(process.env.TOWLINE_BIN);
}
