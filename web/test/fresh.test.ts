import { afterEach, expect, it, vi } from "vitest";
import { Fresh } from "../src/hub/fresh";
import { Box } from "./device";

afterEach(() => vi.unstubAllGlobals());

function hub(page: () => string): { box: Box; reloads: () => number } {
  const box = new Box();
  const reload = vi.fn();
  vi.stubGlobal("sessionStorage", box);
  vi.stubGlobal("location", { reload });
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(page())));
  return { box, reloads: () => reload.mock.calls.length };
}
const page = (build: string): string => `<!doctype html><script type="module" crossorigin src="/assets/${build}.js"></script>`;

it("a page knows that its hub serves another build, and loads itself once for it", async () => {
  let build = "index-one";
  const { reloads } = hub(() => page(build));
  const fresh = new Fresh("/assets/index-one.js");
  await fresh.look();
  expect(fresh.newer.get()).toBeNull();
  build = "index-two";
  await fresh.look();
  expect(fresh.newer.get()).toBe("/assets/index-two.js");
  expect(fresh.mayLoad()).toBe(true);
  fresh.load();
  await vi.waitFor(() => expect(reloads()).toBe(1));
  // It came back as old as it was (a proxy's copy): no second time for the same build, another time for the next.
  const again = new Fresh("/assets/index-one.js");
  await again.look();
  expect(again.mayLoad()).toBe(false);
  build = "index-three";
  await again.look();
  expect(again.mayLoad()).toBe(true);
});

it("an answer that is no page of ours says nothing", async () => {
  hub(() => "<h1>Log in to the wireless network</h1>");
  const fresh = new Fresh("/assets/index-one.js");
  await fresh.look();
  expect(fresh.newer.get()).toBeNull();
});

it("a page that is no build never loads itself", async () => {
  hub(() => page("index-two"));
  const fresh = new Fresh(null);
  await fresh.look();
  expect(fresh.newer.get()).toBeNull();
});
