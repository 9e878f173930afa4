/**
 * The service worker: the page opens without a network. It keeps the files of its build and nothing else; answers of the API never
 * pass through it. A newer build waits until no page of the old one is open, or until a page that loads itself anew lets it in.
 */

interface Worker {
  addEventListener(type: "install" | "activate", listener: (event: { waitUntil(work: Promise<unknown>): void }) => void): void;
  addEventListener(type: "fetch", listener: (event: { request: Request; respondWith(answer: Promise<Response>): void }) => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown; waitUntil(work: Promise<unknown>): void }) => void): void;
  skipWaiting(): Promise<void>;
}

/** Filled in when the build is done: the paths of its files, and a name for all of them together. */
const FILES: readonly string[] = JSON.parse("__TOWLINE_FILES__") as string[];
const CACHE = "towline-shell-__TOWLINE_BUILD__";
const SHELLS = "towline-shell-";
/** How long the network may take to bring the page before the kept one is shown, in milliseconds. */
const PATIENCE_MS = 4_000;

const worker = self as unknown as Worker;

worker.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES.map((path) => new Request(path, { cache: path.startsWith("/assets/") ? "default" : "no-cache" })))));
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name.startsWith(SHELLS) && name !== CACHE).map((name) => caches.delete(name)))));
});

worker.addEventListener("message", (event) => {
  if (event.data === "take-over") event.waitUntil(worker.skipWaiting());
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin || /^\/(?:v1|healthz|readyz)(?:\/|$)/.test(pathname)) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (pathname.startsWith("/assets/") && FILES.includes(pathname)) event.respondWith(kept(request, pathname));
  else if (pathname !== "/" && FILES.includes(pathname)) event.respondWith(fetch(request).catch(() => kept(request, pathname)));
});

/** Every screen is one page: the hub's, or the kept one where the hub is out of reach. */
async function page(request: Request): Promise<Response> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS));
  // No network, one that leads nowhere, or a proxy before a hub that is down.
  const answer = await Promise.race([fetch(request).catch(() => null), late]);
  return answer !== null && answer.status < 500 ? answer : kept(request, "/");
}

async function kept(request: Request, path: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request);
}
