// A chat in a new project, as it is asked for on a screen, light and dark.

import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("a chat begins in a new project, which its machine makes and names", async ({ towline, page, shoot }) => {
  await screen.pairFirst(page, towline);
  const root = path.join(towline.home, "towline");
  const open = async () => {
    await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
    await page.getByRole("radio", { name: screen.DEMO }).click();
    await page.getByRole("radio", { name: words.newChat.newProject }).click();
  };
  await open();
  await expect(page.getByText(words.newChat.newProjectNote("~/towline"))).toBeVisible();
  await page.getByLabel(words.newChat.promptLabel).fill("[[say Made.]]");
  const start = page.getByRole("button", { name: words.newChat.start });
  // A name that cannot be one is said to be so, and nothing is sent.
  const name = page.getByLabel(words.newChat.projectName);
  await name.fill("../elsewhere");
  await expect(page.getByText(words.newChat.projectNameWrong)).toBeVisible();
  await expect(start).toBeDisabled();
  await expectAccessible(page);
  await name.fill("Tide tables");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await shoot(`${colorScheme}-72-new-project`);
    await expectAccessible(page);
  }
  await screen.expectFits(page);
  await start.click();
  await screen.expectSettled(page, 1);
  await expect(page.getByText(/Tide tables/).filter({ visible: true }).first()).toBeVisible();
  expect(await readdir(root)).toEqual(["Tide-tables"]);
  expect((await stat(path.join(root, "Tide-tables"))).mode & 0o777).toBe(0o700);

  // It is a project like every other from then on. The same name again is refused, with what to do; without one, one is made up.
  await page.goto(towline.ready.url);
  await open();
  await expect(page.getByRole("radio", { name: /^Tide tables/ })).toBeVisible();
  await name.fill("Tide tables");
  await page.getByLabel(words.newChat.promptLabel).fill("[[say Again.]]");
  await start.click();
  await expect(page.getByText(words.error("project_exists"))).toBeVisible();
  await shoot("light-73-project-exists");
  await page.goto(towline.ready.url);
  await open();
  await page.getByLabel(words.newChat.promptLabel).fill("[[say Another.]]");
  await start.click();
  await screen.expectSettled(page, 1);
  expect((await readdir(root)).find((each) => each !== "Tide-tables")).toMatch(/^[a-z]+-[a-z]+$/);
});
