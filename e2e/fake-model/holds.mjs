// Places in scripts where answers wait until a test lets them go on: the middle of a stream, for as long as the test needs it.

/** The places that were opened, and the answers that wait before the others. A place that is open stays open. */
export class Holds {
  #open = new Set();
  /** @type {Map<string, (() => void)[]>} */
  #waiting = new Map();

  /** @param {string} name */
  release(name) {
    this.#open.add(name);
    for (const go of this.#waiting.get(name) ?? []) go();
    this.#waiting.delete(name);
  }

  /**
   * Waits until the place is open; rejects when `gone` fires before.
   * @param {string} name
   * @param {AbortSignal} gone
   * @returns {Promise<void>}
   */
  wait(name, gone) {
    if (this.#open.has(name)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (gone.aborted) return reject(gone.reason);
      gone.addEventListener("abort", () => reject(gone.reason), { once: true });
      this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), resolve]);
    });
  }
}
