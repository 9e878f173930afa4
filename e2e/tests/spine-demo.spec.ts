// The main job without an account: the demo agent.

import { expect, test } from "../support/fixtures.ts";
import { followDemo } from "../support/demo-path.ts";
import * as screen from "../support/screen.ts";

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
