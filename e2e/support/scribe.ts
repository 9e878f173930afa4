// An agent that writes down every prompt that it gets, whichever of its processes gets it, and that can be kept from starting. Told to
// fall-silent, it says nothing until it is stopped.

import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";

const script = (folder: string): string => `#!/bin/sh
if [ -e "${folder}/broken" ]; then echo 'out of memory' >&2; exit 1; fi
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
  result() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\\n' "$id" "$1"; }
  case "$line" in
    *'"initialize"'*) result '{"protocolVersion":1,"agentCapabilities":{"sessionCapabilities":{"resume":{}}},"agentInfo":{"name":"Scribe","version":"1.0.0"}}' ;;
    *'"session/new"'*) result '{"sessionId":"s"}' ;;
    *'"session/resume"'*) result '{}' ;;
    *'session/prompt'*fall-silent*) held=$id ;;
    *'session/cancel'*) id=$held; result '{"stopReason":"cancelled"}' ;;
    *'session/prompt'*) printf '%s\\n' "$line" >> "${folder}/prompts"; result '{"stopReason":"end_turn"}' ;;
  esac
done
`;

export class Scribe {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Writes its program into a folder that is there. */
  static async in(folder: string): Promise<Scribe> {
    const program = path.join(folder, "scribe");
    await writeFile(program, script(folder));
    await chmod(program, 0o700);
    return new Scribe(folder);
  }

  /** What a machine is started with that has it. */
  get args(): string[] {
    return ["--acp-agent", `scribe=${path.join(this.#folder, "scribe")}`];
  }

  /** It cannot be started until it is mended. */
  async breaks(): Promise<void> {
    await writeFile(path.join(this.#folder, "broken"), "");
  }

  async isMended(): Promise<void> {
    await rm(path.join(this.#folder, "broken"));
  }

  /** How often it got a prompt with these words. */
  async got(text: string): Promise<number> {
    const prompts = await readFile(path.join(this.#folder, "prompts"), "utf8").catch(() => "");
    return prompts.split("\n").filter((line) => line.includes(text)).length;
  }
}
