// A network of the test's own: towline and the browser both live in it, and nothing else.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";

/** The address that this machine has in it; private (RFC 1918), and no secure context for a browser. */
export const ADDRESS = "10.77.0.1";

/** One end of a cable whose other end lies in the same network: an interface that is up, with a route, and leads nowhere. */
const SET_UP = [
  "ip link set lo up",
  "ip link add cable type veth peer name wall",
  `ip address add ${ADDRESS}/24 dev cable`,
  "ip link set cable up",
  "ip link set wall up",
  "echo ready",
  "exec cat",
].join(" && ");

/** Runs a program in the network; `exec` keeps its pid. */
const WRAPPER = (enter: string, program: string) => `#!/bin/sh\nexec ${enter} ${program} "$@"\n`;

export class Network {
  readonly #holder: ChildProcess;
  readonly #enter: string;
  readonly #folder: string;

  private constructor(holder: ChildProcess, enter: string, folder: string) {
    this.#holder = holder;
    this.#enter = enter;
    this.#folder = folder;
  }

  /** Makes one; gives why not, in words, where this machine forbids it. */
  static async make(folder: string): Promise<Network | string> {
    if (process.platform !== "linux") return "network namespaces are Linux's";
    const root = process.getuid?.() === 0;
    const args = root ? ["--net"] : ["--user", "--map-root-user", "--net"];
    const holder = spawn("unshare", [...args, "sh", "-c", SET_UP], { stdio: ["pipe", "pipe", "pipe"] });
    let said = "";
    holder.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const failed = new Promise<string>((resolve) => {
      holder.once("error", (error) => resolve(String(error)));
      holder.once("close", (code) => resolve(said.trim() || `unshare ended with ${code}`));
    });
    const ready = once(createInterface({ input: holder.stdout }), "line").then(() => null);
    const why = await Promise.race([ready, failed]);
    if (why !== null) return `this machine forbids a network namespace: ${why}`;
    const enter = `nsenter --target ${holder.pid} --net${root ? "" : " --user --preserve-credentials"} --`;
    return new Network(holder, enter, folder);
  }

  /** The path of a program that runs another one in the network. */
  async inside(program: string): Promise<string> {
    const file = path.join(this.#folder, `${path.basename(program)}-inside`);
    await writeFile(file, WRAPPER(this.#enter, program), { mode: 0o755 });
    return file;
  }

  async end(): Promise<void> {
    const closed = once(this.#holder, "close");
    // `cat` ends with its stdin, and the namespace with its last process.
    this.#holder.stdin?.end();
    await closed;
  }
}
