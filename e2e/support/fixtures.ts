// What a scenario can ask for. Each is started when first named and ended after the test, whatever happened.

import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test as base } from "@playwright/test";
import { install } from "../agents/install.mjs";
import { agentsFolder, readPins } from "../agents/pins.mjs";
import { claudeVariables } from "./claude-environment.mjs";
import { codexVariables, makeCodexHome } from "./codex-environment.mjs";
import { CutProxy } from "./cut-proxy.ts";
import { FakeModel } from "./fake-model.ts";
import { expectNoneLeft } from "./leftovers.ts";
import { Towline } from "./towline.ts";

export { expect } from "@playwright/test";

interface Options {
  /** Further arguments of `up`. */
  upArgs: string[];
}

interface Fixtures {
  /** A temporary folder of this test. When it is removed, no process may be left that names it. */
  folder: string;
  /** A project directory with a file in it. */
  project: string;
  fakeModel: FakeModel;
  /** The real towline with the real claude, which talks to the fake model server. */
  towline: Towline;
  /** The home of the real codex, whose provider is the fake model server. */
  codexHome: string;
  /** The real towline with the real codex, which talks to the fake model server. */
  codexTowline: Towline;
  /** A proxy before towline; a page that must lose the network visits `cutProxy.through(towline.ready.url)`. */
  cutProxy: CutProxy;
  /** Saves a screenshot below e2e/.out/screens, named after the project and the name given. */
  shoot: (name: string) => Promise<void>;
}

interface WorkerFixtures {
  /** The pinned claude, fetched if it is not there yet. */
  claude: string;
  /** The pinned codex, the same. */
  codex: string;
}

/** Fetches a pinned agent if it is not there yet, and gives its program. */
async function pinned(name: string): Promise<string> {
  const pin = readPins().find((one) => one.name === name);
  if (!pin) throw new Error(`agents.json pins no ${name}`);
  return install(pin, { folder: agentsFolder(), say: (line) => console.error(line) });
}

export const test = base.extend<Options & Fixtures, WorkerFixtures>({
  // The first device comes in by its code alone, as where nobody sits at the terminal.
  upArgs: [["--pair-once"], { option: true }],

  claude: [async ({}, use) => use(await pinned("claude")), { scope: "worker", timeout: 11 * 60_000 }],
  codex: [async ({}, use) => use(await pinned("codex")), { scope: "worker", timeout: 11 * 60_000 }],

  folder: async ({}, use) => {
    const folder = await realpath(await mkdtemp(path.join(tmpdir(), "towline-e2e-")));
    await use(folder);
    try {
      await expectNoneLeft(folder);
    } finally {
      await rm(folder, { recursive: true, maxRetries: 5 });
    }
  },

  project: async ({ folder }, use) => {
    const project = path.join(folder, "harbour");
    await mkdir(project);
    await writeFile(path.join(project, "README.md"), "# Harbour\n\nA project to work on.\n");
    await use(project);
  },

  fakeModel: async ({ folder }, use) => {
    const fakeModel = await FakeModel.start(path.join(folder, "fake-model.jsonl"));
    await use(fakeModel);
    await fakeModel.stop();
  },

  towline: async ({ folder, project, fakeModel, claude, upArgs }, use, testInfo) => {
    const agentVariables = claudeVariables({ port: fakeModel.port, home: path.join(folder, "home") });
    const towline = await Towline.start({ folder, projects: [project], agents: { claude }, agentVariables, args: upArgs });
    await use(towline);
    if (testInfo.status !== testInfo.expectedStatus) await testInfo.attach("towline", { body: towline.output, contentType: "text/plain" });
    await towline.end();
  },

  codexHome: async ({ fakeModel }, use) => {
    const home = await makeCodexHome({ port: fakeModel.port });
    await use(home);
    await rm(home, { recursive: true, maxRetries: 5 });
  },

  codexTowline: async ({ folder, project, codexHome, codex, upArgs }, use, testInfo) => {
    const towline = await Towline.start({ folder, projects: [project], agents: { codex }, agentVariables: codexVariables({ home: codexHome }), args: upArgs });
    await use(towline);
    if (testInfo.status !== testInfo.expectedStatus) await testInfo.attach("towline", { body: towline.output, contentType: "text/plain" });
    await towline.end();
  },

  cutProxy: async ({ towline }, use) => {
    const proxy = await CutProxy.start({ port: towline.port });
    await use(proxy);
    await proxy.close();
  },

  shoot: async ({ page }, use, testInfo) => {
    await use(async (name) => {
      const file = path.join(testInfo.config.rootDir, "..", ".out", "screens", `${testInfo.project.name}-${name}.png`);
      await page.screenshot({ path: file, animations: "disabled" });
    });
  },
});
