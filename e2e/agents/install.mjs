// Installs one pinned agent with npm: into a folder of its own, checked, then moved into place in one step.

import { spawn } from "node:child_process";
import { access, constants, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { withLock } from "./lock.mjs";
import { installFolder, programPath } from "./pins.mjs";

/** One install may take this long; the largest package is 240 MB to download. */
const INSTALL_LIMIT_MS = 10 * 60_000;
/** A program that has not printed its version by then is broken; a cold start from disk takes about a second. */
const VERSION_LIMIT_MS = 30_000;

/** Something a person can act on, said in one sentence. */
export class FetchError extends Error {}

/**
 * Makes sure that the pinned agent is installed, and gives the path of its program.
 * Does nothing when it already is. Safe to run several times at once.
 * @param {import("./pins.mjs").Pin} pin
 * @param {{folder: string, say?: (line: string) => void, npm?: string, env?: NodeJS.ProcessEnv}} options
 * @returns {Promise<string>}
 */
export async function install(pin, { folder, say = () => {}, npm = "npm", env = process.env }) {
  const home = installFolder(pin, folder);
  const program = programPath(pin, home);
  if (await runnable(program, pin)) return program;
  await mkdir(folder, { recursive: true });
  const onWait = (/** @type {number} */ pid) => say(`${pin.name}: waiting for process ${pid}, which is fetching it`);
  return withLock(`${home}.lock`, () => installLocked(pin, { folder, home, program, say, npm, env }), { onWait });
}

/**
 * @param {import("./pins.mjs").Pin} pin
 * @param {{folder: string, home: string, program: string, say: (line: string) => void, npm: string, env: NodeJS.ProcessEnv}} options
 */
async function installLocked(pin, { folder, home, program, say, npm, env }) {
  if (await runnable(program, pin)) return program;
  const started = Date.now();
  say(`${pin.name}: fetching ${pin.package}@${pin.version}`);
  const fresh = await mkdtemp(path.join(folder, `.${pin.name}-`));
  try {
    await writeFile(path.join(fresh, "package.json"), '{ "private": true }\n');
    await runNpm(pin, fresh, npm, env);
    const built = programPath(pin, fresh);
    if (!(await runnable(built, pin))) {
      throw new FetchError(`${pin.package}@${pin.version} has no program for ${process.platform} ${process.arch} (looked for ${pin.program}).`);
    }
    if (pin.smallestNode === null) await checkVersion(pin, built);
    await rm(home, { recursive: true, force: true });
    await rename(fresh, home);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  say(`${pin.name}: ready after ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return program;
}

/**
 * Install scripts are not run: all they do is copy the platform package's program, which is used directly.
 * @param {import("./pins.mjs").Pin} pin
 * @param {string} folder
 * @param {string} npm
 * @param {NodeJS.ProcessEnv} env
 */
async function runNpm(pin, folder, npm, env) {
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--no-engine-strict", "--include=optional", "--loglevel=error"];
  const outcome = await run(npm, ["install", ...flags, "--save-exact", `${pin.package}@${pin.version}`], { cwd: folder, env, limitMs: INSTALL_LIMIT_MS });
  if (outcome.missing) throw new FetchError(`${npm} was not found; it comes with Node and is needed once to fetch ${pin.package}.`);
  if (outcome.code === 0) return;
  const reason = outcome.late ? `it took longer than ${INSTALL_LIMIT_MS / 60_000} minutes` : npmReason(outcome.output);
  throw new FetchError(`npm could not fetch ${pin.package}@${pin.version}: ${reason} (the npm registry must be reachable the first time).`);
}

/**
 * @param {import("./pins.mjs").Pin} pin
 * @param {string} program
 */
async function checkVersion(pin, program) {
  const home = await mkdtemp(path.join(tmpdir(), "towline-agent-"));
  try {
    const outcome = await run(program, ["--version"], { cwd: home, env: { PATH: process.env.PATH, HOME: home }, limitMs: VERSION_LIMIT_MS });
    // Some print their name before it, or a warning.
    if (outcome.code === 0 && outcome.output.split(/\s+/).some((word) => word.replace(/^v/, "") === pin.version)) return;
    const said = outcome.output.trim().split("\n")[0] || "nothing";
    throw new FetchError(`${pin.name} was fetched but does not run: --version should say ${pin.version} and said ${said}.`);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/**
 * @param {string} program
 * @param {import("./pins.mjs").Pin} pin
 */
async function runnable(program, pin) {
  const wanted = pin.smallestNode === null ? constants.X_OK : constants.R_OK;
  return access(program, wanted).then(
    () => true,
    () => false,
  );
}

/**
 * The most telling line npm printed: its code if there is one, else the first error.
 * @param {string} output
 */
function npmReason(output) {
  const lines = output.split("\n").map((line) => line.replace(/^npm (error|ERR!)\s*/, "").trim());
  const code = lines.find((line) => /^code E/.test(line))?.slice("code ".length);
  const words = lines.find((line) => line && !/^(code|errno|syscall|path)\b/.test(line));
  return [code, words].filter(Boolean).join(", ").replace(/\.$/, "") || "it said nothing";
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {{cwd: string, env: NodeJS.ProcessEnv, limitMs: number}} options
 * @returns {Promise<{code: number | null, output: string, late: boolean, missing: boolean}>}
 */
function run(program, args, { cwd, env, limitMs }) {
  return new Promise((resolve) => {
    let output = "";
    let late = false;
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], shell: process.platform === "win32" });
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, limitMs);
    const collect = (/** @type {Buffer} */ bytes) => (output = (output + bytes.toString()).slice(-100_000));
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", (error) => {
      clearTimeout(timer);
      const missing = /** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT";
      resolve({ code: null, output: String(error), late, missing });
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output, late, missing: false });
    });
  });
}
