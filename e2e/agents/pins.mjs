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
 * @property {string} program path below node_modules, with {platform} (the C library is part of it), {system}, {triple} and {exe} to fill in
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
  const system = `${platform}-${arch}`;
  const words = /** @type {Record<string, string>} */ ({
    platform: `${system}${platform === "linux" && musl ? "-musl" : ""}`,
    system,
    triple: `${ARCHITECTURES[arch] ?? arch}-${TARGETS[platform] ?? platform}`,
    exe: platform === "win32" ? ".exe" : "",
  });
  const program = pin.program.replace(/\{([a-z]+)\}/g, (whole, word) => words[word] ?? whole);
  return path.join(installed, "node_modules", program);
}

/** Node's architectures and platforms as Rust's targets name them; Linux programs are linked with musl and run everywhere.
 * @type {Record<string, string>} */
const ARCHITECTURES = { x64: "x86_64", arm64: "aarch64" };
/** @type {Record<string, string>} */
const TARGETS = { linux: "unknown-linux-musl", darwin: "apple-darwin", win32: "pc-windows-msvc" };

/** Whether this Node was linked against musl: a glibc build reports its runtime version. */
function onMusl() {
  if (process.platform !== "linux") return false;
  const report = /** @type {{header?: {glibcVersionRuntime?: string}} | undefined} */ (process.report?.getReport());
  return report?.header?.glibcVersionRuntime === undefined;
}
