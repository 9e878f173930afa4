// A hub without a host, and machines that are linked to it: real processes, one folder each.

import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { expect } from "@playwright/test";
import { ReadyProgram } from "./ready-line.ts";
import { Towline, type TowlineOptions } from "./towline.ts";

const LIMIT_MS = 60_000;

/** Where a hub runs; on loopback, with the program of the test, unless said otherwise. */
export interface HubPlace {
  binary?: string;
  listen?: string;
  args?: string[];
}

/** `towline hub`, on a free port of this machine. */
export class HubServer {
  #program: ReadyProgram;
  readonly #folder: string;
  readonly #place: HubPlace;
  readonly url: string;
  /** Lets the owner in. */
  readonly setupUrl: string;

  private constructor(program: ReadyProgram, folder: string, place: HubPlace) {
    this.#program = program;
    this.#folder = folder;
    this.#place = place;
    const { url, setupUrl } = program.ready;
    if (typeof url !== "string" || typeof setupUrl !== "string") throw new Error(`the ready line of the hub: ${JSON.stringify(program.ready)}`);
    this.url = url;
    this.setupUrl = setupUrl;
  }

  static async start(folder: string, place: HubPlace = {}): Promise<HubServer> {
    await mkdir(path.join(folder, "home"), { recursive: true });
    return new HubServer(await launch(folder, place, place.listen ?? "127.0.0.1:0"), folder, place);
  }

  /** kill -9. */
  async kill9(): Promise<void> {
    await this.#program.kill9();
  }

  /** Starts it again after `kill9`, where it was. */
  async restart(): Promise<void> {
    this.#program = await launch(this.#folder, this.#place, new URL(this.url).host);
  }

  /** Runs a command on the hub's own machine; throws unless it exits with 0. */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(this.#place.binary ?? binary(), ["--data-dir", path.join(this.#folder, "data"), ...args], { env: environment(this.#folder), timeout: LIMIT_MS });
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

async function launch(folder: string, { binary: own, args = [] }: HubPlace, listen: string): Promise<ReadyProgram> {
  const all = ["hub", "--json", "--data-dir", path.join(folder, "data"), "--listen", listen, ...args];
  return ReadyProgram.start({ program: own ?? binary(), args: all, env: environment(folder), cwd: path.join(folder, "home") });
}

/** What a machine is beside its name: its agents, its program, and how it names the hub. */
export interface Machine extends Partial<Pick<TowlineOptions, "agents" | "agentVariables" | "binary">> {
  hub?: string[];
}

/** Starts a machine with a project of that name, and links it by a code that was made at the hub. */
export async function linked(hub: HubServer, folder: string, name: string, project: string, how: Machine = {}, more: string[] = []): Promise<Towline> {
  const place = path.join(folder, "home", project);
  await mkdir(place, { recursive: true });
  const { agents = {}, agentVariables = {}, hub: address = [hub.url], ...rest } = how;
  const machine = await Towline.start({ folder, projects: [place], agents, agentVariables, args: ["--name", name, ...more], ...rest });
  const [offer] = await hub.rows("pair");
  const adding = machine.run("link", "add", ...address, "--code", String(offer?.code));
  await expect(async () => {
    const asks = (await hub.rows("pair", "list")).find((claim) => claim.name === name);
    expect(asks).toBeDefined();
    await hub.run("pair", "allow", String(asks?.pairing));
  }).toPass({ timeout: 20_000 });
  await adding;
  const there = async () => (await hub.rows("hosts")).find((host) => host.name === name);
  await expect.poll(async () => [(await there())?.presence, (await there())?.projects], { timeout: 20_000 }).toEqual(["online", 1]);
  return machine;
}

function environment(folder: string): Record<string, string> {
  return { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: path.join(folder, "home"), LANG: "C.UTF-8" };
}

function binary(): string {
  if (!process.env.TOWLINE_BIN) throw new Error("TOWLINE_BIN is not set; it names the towline binary to test (cargo xtask e2e sets it)");
  return path.resolve(process.env.TOWLINE_BIN);
}
