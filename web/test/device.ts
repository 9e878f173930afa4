import { vi } from "vitest";

/** A storage that can be looked into, and that can be full. */
export class Box implements Storage {
  readonly all = new Map<string, string>();
  full = false;
  get length(): number {
    return this.all.size;
  }
  clear = (): void => this.all.clear();
  getItem = (key: string): string | null => this.all.get(key) ?? null;
  key = (at: number): string | null => [...this.all.keys()][at] ?? null;
  removeItem = (key: string): void => void this.all.delete(key);
  setItem = (key: string, value: string): void => {
    if (this.full) throw new Error("quota");
    this.all.set(key, value);
  };
}

/** As much of the browser's database as is used: one store, whose changes are there a moment later. */
export class Base {
  readonly rows = new Map<string, unknown>();
  full = false;

  open = (): object => later({ result: this.#base() }, "onsuccess");

  #base(): object {
    const { rows } = this;
    return {
      addEventListener: () => {},
      close: () => {},
      transaction: () => {
        const todo: (() => void)[] = [];
        const change = {
          oncomplete: null as (() => void) | null,
          onerror: null as (() => void) | null,
          objectStore: () => ({
            put: (value: unknown, key: string) => void todo.push(() => rows.set(key, structuredClone(value))),
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
          if (this.full) return change.onerror?.();
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
export function device(local = new Box(), base: Base | null = new Base()): { local: Box; base: Base | null; tell(key: string): void } {
  const heard = new Set<(event: object) => void>();
  vi.stubGlobal("window", {
    localStorage: local,
    addEventListener: (name: string, call: (event: object) => void) => void (name === "storage" && heard.add(call)),
    removeEventListener: (_: string, call: (event: object) => void) => void heard.delete(call),
  });
  vi.stubGlobal("indexedDB", base ?? undefined);
  return { local, base, tell: (key) => [...heard].forEach((call) => call({ key, newValue: local.getItem(key) })) };
}
