// Finds processes that a test's towline or its agents left behind, wherever they moved themselves.

import { readFile, readdir } from "node:fs/promises";

/**
 * Processes whose environment or command line names a folder, except those given.
 * An agent's children inherit its environment, so a temporary folder in it marks all of them, also in another session or
 * process group and after their parents died. Needs /proc: elsewhere the answer is null.
 */
export async function processesNaming(folder: string, except: number[] = []): Promise<{ pid: number; command: string }[] | null> {
  if (process.platform !== "linux") return null;
  const found = [];
  for (const name of await readdir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid || except.includes(pid)) continue;
    const [environment, command] = await Promise.all(["environ", "cmdline"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "")));
    // A zombie has neither, and is its parent's to reap.
    if (environment?.includes(folder) || command?.includes(folder)) found.push({ pid, command: (command ?? "").replaceAll("\0", " ").trim() });
  }
  return found;
}

/** Waits until no such process is left; throws naming those that stay, after ending them one by one. */
export async function expectNoneLeft(folder: string, { withinMs = 5_000 } = {}): Promise<void> {
  const until = Date.now() + withinMs;
  for (;;) {
    const left = (await processesNaming(folder)) ?? [];
    if (left.length === 0) return;
    if (Date.now() > until) {
      for (const { pid } of left) end(pid);
      throw new Error(`left behind: ${left.map(({ pid, command }) => `${pid} (${command})`).join(", ")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Kills one process; it may have ended meanwhile. */
function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
