import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FetchError, install } from "./install.mjs";
import { withLock } from "./lock.mjs";
import { agentsFolder, programPath, readPins } from "./pins.mjs";

/** @type {string} */
let folder;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "agents-"));
});
after(() => rm(folder, { recursive: true }));

/** @type {import("./pins.mjs").Pin} */
const pin = { name: "toy", package: "toy-agent", version: "1.2.3", fetchedByDefault: true, program: "toy-agent/toy", smallestNode: null };

/**
 * A stand-in for npm: installs a shell script as the program, and counts its runs.
 * @param {string} name
 * @param {{says?: string, code?: number, stderr?: string, seconds?: number}} [behaviour]
 */
async function fakeNpm(name, { says = "1.2.3 (Toy)", code = 0, stderr = "", seconds = 0 } = {}) {
  const file = path.join(folder, name);
  const script = [
    "#!/bin/sh",
    `echo run >> ${file}.runs`,
    `sleep ${seconds}`,
    `[ ${code} = 0 ] || { echo "${stderr}" >&2; exit ${code}; }`,
    "mkdir -p node_modules/toy-agent",
    `printf '#!/bin/sh\\necho "${says}"\\n' > node_modules/toy-agent/toy`,
    "chmod +x node_modules/toy-agent/toy",
  ];
  await writeFile(file, script.join("\n"));
  await chmod(file, 0o755);
  return { npm: file, runs: async () => (await readFile(`${file}.runs`, "utf8")).trim().split("\n").length };
}

test("pins are exact, and only a few are fetched without being named", () => {
  const pins = readPins();
  for (const one of pins) assert.match(one.version, /^\d+\.\d+\.\d+$/);
  assert.deepEqual(pins.filter((one) => one.fetchedByDefault).map((one) => one.name), ["claude", "claude-oldest", "codex", "codex-oldest", "gemini"]);
});

test("the program's path follows the platform", () => {
  const [claude, , codex] = readPins();
  assert.ok(claude && codex);
  const at = (/** @type {any} */ machine, pin = claude) => programPath(pin, "/c", machine);
  assert.match(at({ platform: "linux", arch: "x64", musl: false }), /claude-code-linux-x64\/claude$/);
  assert.match(at({ platform: "linux", arch: "arm64", musl: true }), /claude-code-linux-arm64-musl\/claude$/);
  assert.match(at({ platform: "win32", arch: "x64", musl: true }), /claude-code-win32-x64\/claude\.exe$/);
  assert.match(at({ platform: "linux", arch: "x64", musl: true }, codex), /codex-linux-x64\/vendor\/x86_64-unknown-linux-musl\/bin\/codex$/);
  assert.match(at({ platform: "darwin", arch: "arm64", musl: false }, codex), /codex-darwin-arm64\/vendor\/aarch64-apple-darwin\/bin\/codex$/);
  assert.equal(agentsFolder({ XDG_CACHE_HOME: "/x" }), "/x/towline/agents");
  assert.equal(agentsFolder({ HOME: "/h", XDG_CACHE_HOME: "relative" }), "/h/.cache/towline/agents");
});

test("four runs at once install once, and a fifth does nothing", async () => {
  const { npm, runs } = await fakeNpm("npm-good", { seconds: 0.3 });
  const cache = path.join(folder, "once");
  const four = await Promise.all([1, 2, 3, 4].map(() => install(pin, { folder: cache, npm })));
  assert.equal(new Set([...four, await install(pin, { folder: cache, npm })]).size, 1);
  assert.equal(await runs(), 1);
  assert.deepEqual(await readdir(cache), ["toy@1.2.3"]);
});

test("a failed install leaves nothing behind and says why in one sentence", async () => {
  const cases = [
    { npm: (await fakeNpm("npm-404", { code: 1, stderr: "npm error code E404\nnpm error 404 Not Found" })).npm, words: /E404.*registry must be reachable/ },
    { npm: (await fakeNpm("npm-broken", { says: "9.9.9" })).npm, words: /should say 1\.2\.3 and said 9\.9\.9/ },
    { npm: path.join(folder, "no-npm"), words: /was not found/ },
  ];
  for (const { npm, words } of cases) {
    const cache = path.join(folder, `failed-${path.basename(npm)}`);
    await assert.rejects(install(pin, { folder: cache, npm }), (error) => {
      assert.ok(error instanceof FetchError);
      assert.match(error.message, words);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
    assert.deepEqual(await readdir(cache), []);
  }
});

test("a lock whose holder was killed is taken over; a living holder is waited for", async () => {
  const file = path.join(folder, "a.lock");
  const dead = spawn(process.execPath, ["-e", ""]);
  await once(dead, "close");
  await writeFile(file, String(dead.pid));
  assert.equal(await withLock(file, async () => "taken"), "taken");

  let inside = 0;
  const work = async () => {
    inside += 1;
    assert.equal(inside, 1, "two hold the lock");
    await new Promise((resolve) => setTimeout(resolve, 10));
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 5 }, () => withLock(file, work, { pollMs: 2 })));
  await writeFile(file, String(process.pid));
  await assert.rejects(withLock(file, work, { waitMs: 30, pollMs: 5 }), /too long/);
});

test("the command refuses unknown names with exit code 2 and lists what there is", async () => {
  const command = fileURLToPath(new URL("../fetch-agents.mjs", import.meta.url));
  const run = promisify(execFile);
  await assert.rejects(run(process.execPath, [command, "nobody"]), (/** @type {any} */ error) => error.code === 2 && /claude/.test(error.stderr));
  assert.match((await run(process.execPath, [command, "--list"])).stdout, /claude-code@2\.1\.329/);
});
