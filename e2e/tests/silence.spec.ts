// An agent that says nothing: shown after a while, with for how long, and stopped from there.

import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import { Scribe } from "../support/scribe.ts";
import * as screen from "../support/screen.ts";
import { Towline } from "../support/towline.ts";

const { words } = screen;

test("an agent that says nothing is shown so, with for how long, and is stopped from there", async ({ folder, project, page, shoot }) => {
  const scribe = await Scribe.in(folder);
  const towline = await Towline.start({ folder, projects: [project], agents: {}, agentVariables: {}, variables: { TOWLINE_QUIET_AFTER: "1s" }, args: ["--pair-once", ...scribe.args] });
  try {
    // The clock of the page goes on as usual until it is put forward.
    await page.clock.install();
    await screen.pairFirst(page, towline);
    await screen.startChat(page, { agent: "Scribe", text: "say something" });
    await screen.expectSettled(page, 1);
    const quiet = page.locator("[data-quiet]");
    await expect(quiet).toHaveCount(0);

    await screen.say(page, "fall-silent");
    await expect(quiet).toContainText(words.transcript.quiet("scribe", 0), { timeout: 15_000 });
    await page.clock.fastForward(5 * 60_000);
    await expect(quiet).toContainText(/ for [56] min/);
    await shoot("light-72-silence");
    await expectAccessible(page);

    await quiet.getByRole("button", { name: words.transcript.quietStop }).click();
    await screen.expectSettled(page, 2);
    await expect(screen.log(page).locator("[data-turn-state]").last()).toHaveAttribute("data-turn-state", "interrupted");
    await expect(quiet).toHaveCount(0);
    await screen.say(page, "say something else");
    await screen.expectSettled(page, 3);
  } finally {
    await towline.end();
  }
});
