// Checks the pieces the scenarios stand on, with a stand-in where towline belongs.

import path from "node:path";
import { fileURLToPath } from "node:url";
import { expectAccessible } from "../support/accessibility.ts";
import { CutProxy } from "../support/cut-proxy.ts";
import { expect, test } from "../support/fixtures.ts";
import { expectNoneLeft, processesNaming } from "../support/leftovers.ts";
import { Towline } from "../support/towline.ts";

const STUB = fileURLToPath(new URL("./stub-towline.mjs", import.meta.url));

function startStub(folder: string, project: string, args: string[] = []): Promise<Towline> {
  // The stand-in is a Node program, so its PATH needs Node.
  const options = { folder, projects: [project], agents: { claude: "/bin/true", node: process.execPath }, agentVariables: { AGENT_KEY: "dummy" } };
  return Towline.start({ ...options, binary: STUB, args });
}

test("the fake model server answers and logs", async ({ fakeModel, request }) => {
  const data = { model: "m", messages: [{ role: "user", content: "[[say hello harbour]]" }] };
  const answer = await (await request.post(`${fakeModel.url}/v1/messages`, { data })).json();
  expect(answer.content[0].text).toBe("hello harbour");
  // That an answer was given is noted once it is: by then its reader may have it.
  await expect.poll(async () => (await fakeModel.log()).map((line) => line.event)).toEqual(["request", "response"]);
  expect((await fakeModel.log())[0]?.prompt).toContain("harbour");
});

test("a page loses the network and finds it again", async ({ fakeModel, page, shoot }) => {
  const proxy = await CutProxy.start({ port: fakeModel.port });
  const status = () => page.evaluate(() => fetch("/v1/models", { cache: "no-store" }).then((r) => r.status, () => "failed"));
  await page.goto(proxy.through(`${fakeModel.url}/`));
  expect(await status()).toBe(200);
  await shoot("harness");

  proxy.cut();
  expect(await status()).toBe("failed");
  expect(proxy.open).toBe(0);
  proxy.restore();
  expect(await status()).toBe(200);

  proxy.blackHole();
  let settled = false;
  const held = status().finally(() => (settled = true));
  await page.waitForTimeout(500);
  expect(settled, "a black hole gives no sign").toBe(false);
  proxy.restore();
  expect(await held, "what was held arrives").toBe(200);

  proxy.blackHole();
  const lost = status();
  // Not before the request is on its way, or there is nothing to forget.
  await page.waitForTimeout(200);
  proxy.restore({ forget: true });
  // A browser repeats a GET by itself when a kept connection turns out to be dead.
  expect(["failed", 200]).toContain(await lost);
  await proxy.close();
});

test("a stream is held in the middle by a black hole and goes on after it, with nothing lost", async ({ fakeModel, page }) => {
  const proxy = await CutProxy.start({ port: fakeModel.port });
  await page.goto(`${proxy.url}/`);
  await page.evaluate(() => {
    const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "[[rate 10]] [[text 60]]" }] });
    Object.assign(window, { seen: "", over: false });
    void fetch("/v1/messages", { method: "POST", body }).then(async (response) => {
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) (window as any).seen += part.value;
      (window as any).over = true;
    });
  });
  const seen = () => page.evaluate(() => ((window as any).seen as string).match(/"w\d+ "/g)?.length ?? 0);
  await expect.poll(seen, { intervals: [20] }).toBeGreaterThan(5);
  proxy.blackHole();
  await page.waitForTimeout(100);
  const held = await seen();
  await page.waitForTimeout(700);
  expect(await seen()).toBe(held);
  expect(held).toBeLessThan(60);
  proxy.restore();
  await page.waitForFunction(() => (window as any).over === true);
  expect(await seen()).toBe(60);
  await proxy.close();
});

test("towline starts with a clean environment, is killed, and comes back at the same address", async ({ folder, project, page }) => {
  const towline = await startStub(folder, project);
  const url = towline.ready.url;
  expect(towline.ready).toEqual({ url, pairUrl: `${url}pair#secret`, code: "ABCD-EFGH" });
  const { values, environment } = await (await fetch(`${url}state`)).json();
  expect(values).toMatchObject({ json: true, "no-open": true, "data-dir": path.join(folder, "data"), project: [project], "agent-env": ["AGENT_KEY"] });
  expect(Object.keys(environment).sort()).toEqual(["AGENT_KEY", "HOME", "LANG", "PATH"]);

  await page.goto(url);
  await expectAccessible(page);
  const first = towline.pid;
  await towline.kill9();
  await expect(page.goto(url)).rejects.toThrow(/REFUSED/);
  // Chromium's own page about it comes a moment later, and would break into the next one.
  await page.waitForURL(/^chrome-error:/);
  expect((await towline.restart()).url).toBe(url);
  expect(towline.pid).not.toBe(first);
  await page.goto(url);
  await expect(page.getByRole("heading")).toHaveText("Stub");
  await towline.stop();
});

test("a towline that does not start says why", async ({ folder, project }) => {
  await expect(startStub(folder, project, ["--refuse"])).rejects.toThrow(/exit code 3 before it was ready[^]*this address is refused/);
});

test("a process left behind is found, named and ended", async ({ folder, project }) => {
  test.skip(process.platform !== "linux", "needs /proc");
  const towline = await startStub(folder, project, ["--leave-a-child"]);
  await towline.stop();
  const left = await processesNaming(folder);
  expect(left?.map(({ command }) => command)).toEqual(["/bin/sleep 60"]);
  await expect(expectNoneLeft(folder, { withinMs: 100 })).rejects.toThrow(/left behind: \d+ \(\/bin\/sleep 60\)/);
  await expectNoneLeft(folder);
});
