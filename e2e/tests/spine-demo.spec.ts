// The main job without an account: the demo agent.

import { writeFile } from "node:fs/promises";
import path from "node:path";
import { claudeVariables } from "../support/claude-environment.mjs";
import { followDemo } from "../support/demo-path.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";
import { Towline } from "../support/towline.ts";

test("without any account, the demo agent shows the same", async ({ towline, project, page }) => {
  await screen.pairFirst(page, towline);
  await followDemo(page, project);
});

test("an agent that dies in the middle says so, keeps its words, and goes on with the next message", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[rate 0]] [[words 20]] [[die]]" });
  await expect(screen.log(page).locator('[data-turn-state="failed"]')).toContainText(screen.words.transcript.turnError("agent_died"));
  await expect(screen.log(page)).toContainText(screen.counted(1, 20));
  await screen.say(page, "[[say back again]]");
  await screen.expectSettled(page, 2);
  await expect(screen.log(page)).toContainText("back again");
});

test("an agent that becomes ready late does not take the place of the one that was chosen", async ({ folder, project, fakeModel, claude, page }) => {
  // The real claude, which is not there before the test says so: on a machine that has just started it takes its time.
  const [late, go] = [path.join(folder, "claude-late"), path.join(folder, "go")];
  await writeFile(late, `#!/bin/sh\nwhile [ ! -e "${go}" ]; do sleep 0.05; done\nexec "${claude}" "$@"\n`, { mode: 0o755 });
  const agentVariables = claudeVariables({ port: fakeModel.port, home: path.join(folder, "home") });
  const towline = await Towline.start({ folder, projects: [project], agents: { claude: late }, agentVariables, args: ["--pair-once"] });
  try {
    await screen.pairFirst(page, towline);
    await page.getByRole("link", { name: /^New chat/ }).click();
    const demo = page.getByRole("radio", { name: screen.DEMO });
    await expect(demo).toBeChecked();
    await page.getByLabel(screen.words.newChat.promptLabel).fill("[[say from the one that was seen]]");
    await writeFile(go, "");
    await expect(page.getByRole("radio", { name: screen.CLAUDE })).toBeEnabled({ timeout: 30_000 });
    await expect(demo).toBeChecked();
    await page.getByRole("button", { name: screen.words.newChat.start }).click();
    await expect(page.getByText(`harbour · ${screen.DEMO}`)).toBeVisible();
    await screen.expectSettled(page, 1);
  } finally {
    await towline.end();
  }
});
