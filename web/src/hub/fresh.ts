import { takeOver } from "../offline/register";
import { PREFIX } from "./kept";
import { Store } from "./store";

/** The page's own script, as its hub names it: the name has a hash of the content, so it is the build's id. */
const ENTRY = /<script[^>]+type="module"[^>]+src="([^"]+)"/;
const LOADED = `${PREFIX}loaded`;
/** Longest wait for the page that the hub serves now, in milliseconds. */
const LIMIT_MS = 10_000;

/** Finds out whether the hub serves another build of this page than the one that runs. */
export class Fresh {
  /** The build that the hub serves now, when it is another one. */
  readonly newer = new Store<string | null>(null);
  readonly #own: string | null;
  #looking = false;

  constructor(own: string | null = entryOf(document)) {
    this.#own = own;
  }

  /** Looks; what cannot be had says nothing. */
  async look(): Promise<void> {
    if (this.#own === null || this.#looking) return;
    this.#looking = true;
    try {
      const answer = await fetch("/", { cache: "no-cache", credentials: "omit", headers: { accept: "text/html" }, signal: AbortSignal.timeout(LIMIT_MS) });
      const served = answer.ok ? (ENTRY.exec(await answer.text())?.[1] ?? null) : null;
      if (served !== null) this.newer.set(served === this.#own ? null : served);
    } catch {
      // The next connection looks again.
    } finally {
      this.#looking = false;
    }
  }

  /** Whether loading anew by itself may help: once per build, so that a page that stays old does not load for ever. */
  mayLoad(): boolean {
    try {
      return sessionStorage.getItem(LOADED) !== this.newer.get();
    } catch {
      return false;
    }
  }

  /** Loads the page anew; drafts and what waits are kept on the device. */
  load(): void {
    try {
      sessionStorage.setItem(LOADED, this.newer.get() ?? "");
    } catch {
      // Then only a person loads it again.
    }
    void takeOver().finally(() => location.reload());
  }
}

/** The path of the script that this page runs; null while developing, where it is no build. */
function entryOf(page: Document): string | null {
  const path = page.querySelector?.('script[type="module"][src]')?.getAttribute("src") ?? null;
  return path?.startsWith("/assets/") ? path : null;
}
