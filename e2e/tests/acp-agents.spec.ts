// Published ACP agents, each the vendor's own program, through the browser: one list of scenarios for all of them.

import { access, readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { acpAgents, prepared } from "../support/acp-agents.ts";
import { expect, test as base } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";
import { Towline } from "../support/towline.ts";

const { words } = screen;

for (const agent of acpAgents) {
  const test = base.extend({
    towline: async ({ folder, project, fakeModel }, use, testInfo) => {
      const { args, variables } = await prepared(agent, { folder, port: fakeModel.port });
      const towline = await Towline.start({ folder, projects: [project], agents: {}, agentVariables: variables, args: ["--pair-once", ...args] });
      await use(towline);
      if (testInfo.status !== testInfo.expectedStatus) await testInfo.attach("towline", { body: towline.output, contentType: "text/plain" });
      await towline.end();
    },
  });

  test.describe(agent.name, () => {
    // Fetching an agent and its first start from disk take their time.
    test.describe.configure({ timeout: 240_000 });

    test("streams, works, asks, obeys a refusal, stops, and tells of an error", async ({ towline, project, page }) => {
      await screen.pairFirst(page, towline);
      await screen.startChat(page, { agent: agent.name, text: "[[think 2]] [[rate 30]] [[text 40]]" });
      await expect(screen.log(page)).toContainText("w3 ", { timeout: 60_000 });
      await screen.expectSettled(page, 1, { timeout: 60_000 });
      await expect(screen.log(page)).toContainText(screen.counted(1, 40));

      await screen.say(page, "[[say First.]] [[tool bash echo from-the-command && touch made.txt]]");
      await expect(screen.question(page)).toContainText("echo from-the-command", { timeout: 30_000 });
      await screen.allow(page);
      await screen.expectSettled(page, 2, { timeout: 60_000 });
      await access(path.join(project, "made.txt"));
      await expect(screen.log(page)).toContainText("from-the-command");

      await screen.say(page, `[[tool write ${path.join(project, "note.txt")} written by an agent]]`);
      await expect(screen.question(page)).toContainText("note.txt", { timeout: 30_000 });
      await screen.allow(page);
      await screen.expectSettled(page, 3, { timeout: 60_000 });
      expect(await readFile(path.join(project, "note.txt"), "utf8")).toBe("written by an agent\n");

      await screen.say(page, "[[tool bash touch never.txt]]");
      await expect(screen.question(page)).toContainText("touch never.txt", { timeout: 30_000 });
      await screen.deny(page);
      await screen.expectSettled(page, 4, { timeout: 60_000 });
      await expect(access(path.join(project, "never.txt"))).rejects.toThrow();

      await screen.say(page, "[[rate 50]] [[text 400]]");
      await expect(screen.log(page).getByRole("article").last()).toBeVisible();
      await expect(screen.log(page)).toContainText(/w5 (?!.*First)/s, { timeout: 30_000 });
      await screen.stop(page);
      await screen.expectSettled(page, 5, { timeout: 30_000 });

      await screen.say(page, "[[error 400]]");
      await screen.expectSettled(page, 6, { timeout: 60_000 });
      await expect(screen.log(page)).toContainText(agent.refusal);
    });

    if (agent.asks)
      test("asks what the model asks, and takes the answer to it", async ({ towline, page }) => {
        await screen.pairFirst(page, towline);
        await screen.startChat(page, { agent: agent.name, text: "[[tool ask Which colour?|Red|Blue]]" });
        await expect(screen.question(page)).toContainText("Which colour?", { timeout: 60_000 });
        await screen.question(page).getByRole("radio", { name: /^Blue/ }).click();
        await screen.question(page).getByRole("button", { name: words.approval.answer, exact: true }).click();
        await screen.expectSettled(page, 1, { timeout: 60_000 });
        await expect(screen.log(page)).toContainText(/done: .*Blue/);
      });

    test("resumes its own conversation after a crash of ours, asks the model that was chosen, and says how it is", async ({ towline, fakeModel, page }) => {
      await screen.pairFirst(page, towline);
      await screen.startChat(page, { agent: agent.name, text: "[[say one]]" });
      await screen.expectSettled(page, 1, { timeout: 60_000 });
      const asked = async (prompt: string) => (await fakeModel.log()).filter((line) => line.event === "request" && !line.side && line.prompt === prompt).at(-1);
      for (const [at, model] of (agent.models ?? []).entries()) {
        await page.getByRole("button", { name: words.details.open }).click();
        const details = page.getByRole("complementary", { name: words.details.title });
        await details.getByRole("combobox", { name: words.details.model }).selectOption({ label: model.label });
        await details.getByRole("button", { name: words.close }).click();
        const prompt = `[[say with model ${at}]]`;
        await screen.say(page, prompt);
        await screen.expectSettled(page, 2 + at, { timeout: 60_000 });
        expect((await asked(prompt))?.model).toMatch(model.asked);
      }
      const before = 1 + (agent.models ?? []).length;
      await towline.kill9();
      if (agent.resumesInAnotherMinute) await anotherMinute();
      await towline.restart();
      await screen.expectLive(page, { timeout: 30_000 });
      await screen.say(page, "[[say after the restart]]");
      await screen.expectSettled(page, before + 1, { timeout: 60_000 });
      // The agent has told the model what was said in its earlier life.
      expect((await asked("[[say after the restart]]"))?.typed).toContain("[[say one]]");

      // The machine's card says which one it is, and that it is one that is tested.
      await page.goto(towline.ready.url);
      await screen.expectLists(page);
      await page.getByRole("link", { name: words.devices.link }).click();
      const card = page.getByRole("list", { name: /^Agents on / }).getByRole("listitem").filter({ hasText: agent.version });
      await expect(card).toContainText(`${agent.name} ${agent.version}`);
      await expect(card).toContainText(`tested with ${agent.version}`);
    });
  });
}

/** Waits until the clock shows another minute than now. */
async function anotherMinute(): Promise<void> {
  await sleep(60_000 - (Date.now() % 60_000) + 500);
}
