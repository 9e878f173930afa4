// Every agent, each the vendor's own program, through the browser: one table of cases (support/agent-cases.ts) for all of them.

import { type CaseName, cases } from "../support/agent-cases.ts";
import { AgentWorld } from "../support/agent-world.ts";
import { drivenAgents } from "../support/driven-agents.ts";
import { test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";
import { Towline } from "../support/towline.ts";

// All cases are played, also when one fails.
for (const agent of drivenAgents)
  test(`${agent.name} shows everything that an agent must`, async ({ folder, project, fakeModel, page }, testInfo) => {
    // Fetching an agent and its first start from disk take their time, and some cases wait for what an agent tries again.
    test.setTimeout(420_000);
    const { agents, args, variables, remove } = await agent.prepare({ folder, port: fakeModel.port });
    const towline = await Towline.start({ folder, projects: [project], agents, agentVariables: variables, args: ["--pair-once", ...args] });
    // What is not there is no reason to keep the other cases waiting.
    page.setDefaultTimeout(30_000);
    const wrong: Error[] = [];
    try {
      await screen.pairFirst(page, towline);
      const world = new AgentWorld({ agent, towline, fakeModel, project, page });
      for (const name of Object.keys(cases) as CaseName[]) {
        const otherwise = agent.otherwise[name];
        const title = otherwise === undefined ? name : `${name}: otherwise, ${otherwise.why}`;
        testInfo.annotations.push({ type: agent.name, description: title });
        await test.step(title, () => (otherwise?.run ?? cases[name])(world)).catch((error: unknown) => {
          wrong.push(new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error }));
          // The next case begins in a chat of its own.
          world.count = 0;
        });
      }
    } finally {
      if (wrong.length > 0) await testInfo.attach("towline", { body: towline.output, contentType: "text/plain" });
      await towline.end();
      await remove?.();
    }
    if (wrong.length > 0) throw new AggregateError(wrong, wrong.map((error) => error.message).join("\n\n"));
  });
