// Where the machines of a test stand: each in a network namespace of its own, on one switch, with a hub behind TLS; or, where this machine
// forbids that, all on loopback with proxies in between. Either way a machine, or all clients, can lose the network.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { CutProxy } from "./cut-proxy.ts";

const run = promisify(execFile);
const NET = "10.78.0";

/** Everything of a test that stands somewhere of its own; all clients share one place. */
export interface Ground<Place extends string> {
  /** Why nobody has a network of their own; null when they do. */
  readonly why: string | null;
  /** What the hub is started with. */
  readonly hubArgs: string[];
  readonly hubListen: string;
  /** The path of a program that runs another one in a place. */
  inside(place: Place, program: string): Promise<string>;
  /** What a machine there names the hub by, given the address that the hub printed. */
  link(place: Place, hubUrl: string): Promise<string[]>;
  /** The address of a page of the hub, as clients reach it. */
  page(hubUrl: string): Promise<string>;
  /** The certificate that the clients have to trust; null without TLS. */
  readonly certificate: string | null;
  cut(place: Place): Promise<void>;
  restore(place: Place): Promise<void>;
  end(): Promise<void>;
}

/** Makes the places; the first two are the hub's and the clients'. */
export async function makeGround<Place extends string>(folder: string, places: readonly [Place, Place, ...Place[]]): Promise<Ground<Place>> {
  const made = await Switch.make(folder, places);
  return typeof made === "string" ? new Loopback<Place>(made, places[1]) : made;
}

/** A process that holds a namespace until its stdin ends. */
class Holder {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(command: string[]): Promise<Holder> {
    const [program = "", ...args] = [...command, "sh", "-c", "ip link set lo up && echo ready && exec cat"];
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const failed = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(String(error)));
      child.once("close", (code) => resolve(said.trim() || `${program} ended with ${code}`));
    });
    const why = await Promise.race([once(createInterface({ input: child.stdout }), "line").then(() => null), failed]);
    if (why !== null) throw new Error(why);
    return new Holder(child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async end(): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.stdin?.end();
    await closed;
  }
}

class Switch<Place extends string> implements Ground<Place> {
  readonly why = null;
  readonly hubListen = `${NET}.1:0`;
  readonly #folder: string;
  readonly #middle: Holder;
  readonly #holders: Map<Place, Holder>;
  readonly #fingerprint: string;

  private constructor(folder: string, middle: Holder, holders: Map<Place, Holder>, fingerprint: string) {
    this.#folder = folder;
    this.#middle = middle;
    this.#holders = holders;
    this.#fingerprint = fingerprint;
  }

  /** Gives why not, in words, where this machine forbids it. */
  static async make<Place extends string>(folder: string, places: readonly Place[]): Promise<Switch<Place> | string> {
    if (process.platform !== "linux") return "network namespaces are Linux's";
    const started: Holder[] = [];
    try {
      const root = process.getuid?.() === 0;
      const middle = await Holder.start(["unshare", ...(root ? [] : ["--user", "--map-root-user"]), "--net"]);
      started.push(middle);
      await run("sh", ["-c", `exec ${enter(middle)} sh -c 'ip link add lan type bridge && ip link set lan up'`]);
      const holders = new Map<Place, Holder>();
      for (const [at, place] of places.entries()) {
        const holder = await Holder.start([...enter(middle).split(" "), "unshare", "--net"]);
        started.push(holder);
        holders.set(place, holder);
        await run("sh", ["-c", `exec ${enter(middle)} sh -c 'ip link add ${place} type veth peer name cable netns ${holder.pid} && ip link set ${place} master lan up'`]);
        await run("sh", ["-c", `exec ${enter(holder)} sh -c 'ip address add ${NET}.${at + 1}/24 dev cable && ip link set cable up'`]);
      }
      const names = `subjectAltName=IP:${NET}.1`;
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path.join(folder, "hub-key.pem")];
      await run("openssl", ["req", "-x509", ...key, "-days", "2", "-subj", "/CN=hub", "-addext", names, "-out", path.join(folder, "hub-cert.pem")]);
      const { fingerprint256 } = new X509Certificate(await readFile(path.join(folder, "hub-cert.pem")));
      return new Switch(folder, middle, holders, fingerprint256.replaceAll(":", ""));
    } catch (error) {
      for (const holder of started.toReversed()) await holder.end();
      return `this machine forbids network namespaces, or has no openssl: ${error instanceof Error ? error.message.trim() : error}`;
    }
  }

  get certificate(): string {
    return path.join(this.#folder, "hub-cert.pem");
  }

  get hubArgs(): string[] {
    return ["--tls-cert", this.certificate, "--tls-key", path.join(this.#folder, "hub-key.pem")];
  }

  async inside(place: Place, program: string): Promise<string> {
    const file = path.join(this.#folder, `${place}-${path.basename(program)}`);
    await writeFile(file, `#!/bin/sh\nexec ${enter(this.#holder(place))} ${program} "$@"\n`, { mode: 0o755 });
    return file;
  }

  async link(_: Place, hubUrl: string): Promise<string[]> {
    return [hubUrl, "--fingerprint", this.#fingerprint];
  }

  async page(hubUrl: string): Promise<string> {
    return hubUrl;
  }

  /** The port of the switch goes down: nothing comes through, and nobody is told. */
  async cut(place: Place): Promise<void> {
    await this.#set(place, "down");
  }

  async restore(place: Place): Promise<void> {
    await this.#set(place, "up");
  }

  async end(): Promise<void> {
    for (const holder of [...this.#holders.values(), this.#middle]) await holder.end();
  }

  async #set(place: Place, state: string): Promise<void> {
    await run("sh", ["-c", `exec ${enter(this.#middle)} ip link set ${place} ${state}`]);
  }

  #holder(place: Place): Holder {
    const holder = this.#holders.get(place);
    if (!holder) throw new Error(`there is no place ${place}`);
    return holder;
  }
}

/** What to put before a command that runs in a namespace; whoever is not root is root in the namespace of users that holds it. */
function enter(holder: Holder): string {
  const root = process.getuid?.() === 0;
  return `nsenter --target ${holder.pid}${root ? "" : " --user --preserve-credentials"} --net --`;
}

class Loopback<Place extends string> implements Ground<Place> {
  readonly why: string;
  readonly hubArgs = [];
  readonly hubListen = "127.0.0.1:0";
  readonly certificate = null;
  readonly #clients: Place;
  readonly #proxies = new Map<Place, CutProxy>();

  constructor(why: string, clients: Place) {
    this.why = why;
    this.#clients = clients;
  }

  async inside(_: Place, program: string): Promise<string> {
    return program;
  }

  async link(place: Place, hubUrl: string): Promise<string[]> {
    return [(await this.#proxy(place, hubUrl)).url];
  }

  async page(hubUrl: string): Promise<string> {
    return (await this.#proxy(this.#clients, hubUrl)).through(hubUrl);
  }

  async cut(place: Place): Promise<void> {
    this.#proxies.get(place)?.blackHole();
  }

  async restore(place: Place): Promise<void> {
    this.#proxies.get(place)?.restore();
  }

  async end(): Promise<void> {
    for (const proxy of this.#proxies.values()) await proxy.close();
  }

  async #proxy(place: Place, hubUrl: string): Promise<CutProxy> {
    const proxy = this.#proxies.get(place) ?? (await CutProxy.start({ port: Number(new URL(hubUrl).port) }));
    this.#proxies.set(place, proxy);
    return proxy;
  }
}
