// Which agents exist, at which version, and where their program lies once npm has unpacked them.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/**
 * @typedef {object} Pin
 * @property {string} name the word used on the command line
 * @property {string} package the npm package; {platform} is filled in
 * @property {string} version the exact version
 * @property {boolean} fetchedByDefault whether a run without names fetches it
 * @property {string} program path below node_modules, with {platform} and {exe} to fill in
 * @property {number | null} smallestNode smallest Node major the program itself needs; null for a native program
 */

/**
 * Reads the pins.
 * @param {string} [file]
 * @returns {Pin[]}
 */
export function readPins(file = fileURLToPath(new URL("../agents.json", import.meta.url))) {
  const raw = JSON.parse(readFileSync(file, "utf8"));
  const platform = `${process.platform}-${process.arch}`;
  return Object.entries(raw).map(([name, pin]) => ({ name, ...pin, package: pin.package.replace("{platform}", platform) }));
}

/**
 * The folder every version of every agent is kept in, one below the other: `<name>@<version>/`.
 * @param {NodeJS.ProcessEnv} [env]
 */
export function agentsFolder(env = process.env) {
  const cache = env.XDG_CACHE_HOME && path.isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : path.join(env.HOME || homedir(), ".cache");
  return path.join(cache, "towline", "agents");
}

/**
 * Where one pinned agent is installed.
 * @param {Pin} pin
 * @param {string} folder
 */
export function installFolder(pin, folder) {
  return path.join(folder, `${pin.name}@${pin.version}`);
}

/**
 * The program inside an install folder, on this kind of machine.
 * @param {Pin} pin
 * @param {string} installed
 * @param {{platform?: string, arch?: string, musl?: boolean}} [machine]
 */
export function programPath(pin, installed, machine = {}) {
  const { platform = process.platform, arch = process.arch, musl = onMusl() } = machine;
  const name = `${platform}-${arch}${platform === "linux" && musl ? "-musl" : ""}`;
  const exe = platform === "win32" ? ".exe" : "";
  return path.join(installed, "node_modules", pin.program.replace("{platform}", name).replace("{exe}", exe));
}

/** Whether this Node was linked against musl: a glibc build reports its runtime version. */
function onMusl() {
  if (process.platform !== "linux") return false;
  const report = /** @type {{header?: {glibcVersionRuntime?: string}} | undefined} */ (process.report?.getReport());
  return report?.header?.glibcVersionRuntime === undefined;
}
