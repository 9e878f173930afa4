// One job from beginning to end, as the README shows it: told on the laptop, followed and allowed on the phone. Pictures and a film
// go to e2e/.out/story; PICTURES=docs/images keeps them in the repository.

import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test as base } from "../support/fixtures.ts";
import { writeFilm } from "../support/film.ts";
import * as screen from "../support/screen.ts";

const PROMPT = "The tide test fails on CI, but not here. Find out why and fix it.";
/** Between two pictures of the film. */
const FRAME_MS = 300;

const test = base.extend({
  // Where a person would have it, so that no path of a test is in the picture.
  project: async ({ folder }, use) => {
    const project = path.join(folder, "home", "code", "harbour");
    await mkdir(path.join(project, "tests"), { recursive: true });
    await writeFile(path.join(project, "tide"), '#!/bin/sh\necho "$(date --utc +%F): high water at six, low water at noon"\n');
    await chmod(path.join(project, "tide"), 0o755);
    const lines = ["#!/bin/sh", "set -eu", 'cd "$(dirname "$0")/.."', "today=$(date +%F)", "line=$(./tide)", 'case $line in "$today"*) echo "ok 1 - the day" ;; *) echo "not ok 1 - the day: $line"; exit 1 ;; esac', 'case $line in *"high water"*) echo "ok 2 - high water" ;; *) exit 1 ;; esac', 'case $line in *"low water"*) echo "ok 3 - low water" ;; *) exit 1 ;; esac'];
    await writeFile(path.join(project, "tests", "tide.test.sh"), `${lines.join("\n")}\n`);
    await use(project);
  },
});

test("a job is given, followed, allowed and done", async ({ towline, project, page, browser }, testInfo) => {
  testInfo.setTimeout(120_000);
  const folder = path.resolve(testInfo.config.rootDir, "..", process.env.PICTURES ? path.join("..", process.env.PICTURES) : ".out/story");
  await mkdir(folder, { recursive: true });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  const frames: { png: Buffer; showMs: number }[] = [];
  const look = async (showMs = FRAME_MS) => void frames.push({ png: await page.screenshot({ scale: "css", animations: "disabled" }), showMs });
  const shoot = (name: string) => page.screenshot({ path: path.join(folder, `${name}.png`), animations: "disabled" });
  /** Films until it is true. */
  const film = async (what: () => Promise<boolean>) => {
    const until = Date.now() + 30_000;
    while (!(await what())) {
      expect(Date.now(), "the story goes on").toBeLessThan(until);
      await look();
      await page.waitForTimeout(FRAME_MS / 2);
    }
  };
  const asks = async () => (await screen.question(page).count()) > 0;

  await screen.pairFirst(page, towline, { name: "Ada's phone" });
  await look(800);
  await screen.startChat(page, { agent: screen.CLAUDE, text: PROMPT });
  await film(asks);
  await expect(screen.question(page)).toContainText("date --utc");
  await look(2_000);
  await shoot("question");
  await screen.allow(page);
  await film(asks);
  await expect(screen.question(page)).toContainText("TZ=Pacific/Auckland");
  await look(2_000);
  await screen.allow(page);
  await film(async () => (await screen.log(page).locator('article[data-delivery="done"]').count()) === 1);
  await screen.expectSettled(page, 1);
  await look(4_000);
  await shoot("answer");
  await screen.expectFits(page);

  expect(await readFile(path.join(project, "tests", "tide.test.sh"), "utf8")).toContain("today=$(date --utc +%F)");
  await expect(screen.log(page)).toContainText("All three pass");
  await writeFilm(path.join(folder, "story.png"), frames);

  // The same on a laptop, which comes in by a code of its own and finds the chat as it stands.
  const laptop = await browser.newContext({ viewport: { width: 1180, height: 760 }, deviceScaleFactor: 2, colorScheme: "dark", reducedMotion: "reduce" });
  const other = await laptop.newPage();
  await screen.pairAnother(other, towline, { name: "Laptop" });
  await other.goto(page.url());
  await screen.expectSettled(other, 1);
  await screen.expectFits(other);
  await other.screenshot({ path: path.join(folder, "desktop.png"), animations: "disabled" });
  await laptop.close();
});
