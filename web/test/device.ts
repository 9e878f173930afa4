import { vi } from "vitest";

/** A storage that can be looked into, and that can be full. */
export class Box implements Storage {
  readonly all = new Map<string, string>();
  full = false;
  /** How many characters it takes, keys not counted. */
  room = Number.POSITIVE_INFINITY;
  get size(): number {
    return [...this.all.values()].reduce((sum, { length }) => sum + length, 0);
  }
  get length(): number {
    return this.all.size;
  }
  clear = (): void => this.all.clear();
  getItem = (key: string): string | null => this.all.get(key) ?? null;
  key = (at: number): string | null => [...this.all.keys()][at] ?? null;
  removeItem = (key: string): void => void this.all.delete(key);
  setItem = (key: string, value: string): void => {
    if (this.full || this.size - (this.all.get(key)?.length ?? 0) + value.length > this.room) throw new Error("quota");
    this.all.set(key, value);
  };
}

/** As much of the browser's database as is used: one store, whose changes are there a moment later. */
export class Base {
  readonly rows = new Map<string, unknown>();
  full = false;
  /** The longest text that it still takes; a change that holds a longer one fails as a whole. */
  most = Number.POSITIVE_INFINITY;

  open = (): object => later({ result: this.#base() }, "onsuccess");

  #base(): object {
    const { rows } = this;
    return {
      addEventListener: () => {},
      close: () => {},
      transaction: () => {
        const todo: (() => void)[] = [];
        const asked: (() => void)[] = [];
        let fits = true;
        const change = {
          oncomplete: null as (() => void) | null,
          onerror: null as (() => void) | null,
          objectStore: () => ({
            get: (key: string) => {
              const request = { result: undefined as unknown, onsuccess: null as (() => void) | null };
              asked.push(() => {
                request.result = rows.get(key);
                request.onsuccess?.();
              });
              return request;
            },
            put: (value: { text: string }, key: string) => {
              fits &&= value.text.length <= this.most;
              todo.push(() => rows.set(key, structuredClone(value)));
            },
            delete: (key: string) => void todo.push(() => rows.delete(key)),
            openCursor: () => {
              const left = [...rows];
              const request = { result: null as object | null, onsuccess: null as (() => void) | null };
              const step = (): void => {
                const row = left.shift();
                request.result = row ? { key: row[0], value: row[1], continue: () => queueMicrotask(step) } : null;
                request.onsuccess?.();
              };
              queueMicrotask(step);
              return request;
            },
          }),
        };
        setTimeout(() => {
          for (const each of asked) each();
          if (this.full || !fits) return change.onerror?.();
          for (const each of todo) each();
          change.oncomplete?.();
        }, 0);
        return change;
      },
    };
  }
}

function later<T extends object>(request: T, event: string): T {
  queueMicrotask(() => (request as Record<string, (() => void) | undefined>)[event]?.());
  return request;
}

/** What a browser gives a page; a second tab of it shares both, and hears of changes. */
export function device(local = new Box(), base: Base | null = new Base()): { local: Box; base: Base | null; tell(key: string, event?: object): void } {
  const heard = new Set<(event: object) => void>();
  vi.stubGlobal("window", {
    localStorage: local,
    addEventListener: (name: string, call: (event: object) => void) => void (name === "storage" && heard.add(call)),
    removeEventListener: (_: string, call: (event: object) => void) => void heard.delete(call),
  });
  vi.stubGlobal("indexedDB", base ?? undefined);
  return { local, base, tell: (key, event = {}) => [...heard].forEach((call) => call({ key, newValue: local.getItem(key), ...event })) };
}
