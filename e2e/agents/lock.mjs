// A lock file between processes of one machine, so that two runs never install the same agent at once.

import { randomUUID } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Runs `work` while holding `file`, waiting for another holder that is alive.
 * A lock whose holder has died is taken over. The lock is released whatever `work` does.
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @param {{waitMs?: number, pollMs?: number, onWait?: (pid: number) => void}} [options] waitMs: default 15 min, longer than one install may take
 * @returns {Promise<T>}
 */
export async function withLock(file, work, { waitMs = 15 * 60_000, pollMs = 100, onWait } = {}) {
  const until = Date.now() + waitMs;
  let told = false;
  while (!(await take(file))) {
    const holder = await holderOf(file);
    if (holder !== null && !alive(holder)) {
      await discard(file, holder);
      continue;
    }
    if (Date.now() > until) throw new Error(`process ${holder ?? "unknown"} has held ${file} for too long.`);
    if (!told && holder !== null) {
      told = true;
      onWait?.(holder);
    }
    await sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

/** @param {string} file */
async function take(file) {
  try {
    await writeFile(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * The pid in the lock; null when it has just been released or is being written.
 * @param {string} file
 */
async function holderOf(file) {
  const text = await readFile(file, "utf8").catch(() => "");
  const pid = Number(text);
  return Number.isInteger(pid) && pid > 0 ? pid : null;
}

/** @param {number} pid */
function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

/**
 * Moves a dead holder's lock aside. Renaming first makes sure that of two that see the dead lock only one removes it;
 * a lock that turns out to be a newcomer's is put back.
 * @param {string} file
 * @param {number} deadHolder
 */
async function discard(file, deadHolder) {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return;
  }
  if ((await holderOf(aside)) === deadHolder) await rm(aside, { force: true });
  else await rename(aside, file);
}
