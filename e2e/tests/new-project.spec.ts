// A new project on another machine, through a hub; and a machine that makes none.

import { readdir } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "../support/fixtures.ts";
import { HubServer, linked } from "../support/many-machines.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("the machine that was chosen makes the project, also one that sleeps; where none are made, none are offered", async ({ folder, page }, testInfo) => {
  testInfo.setTimeout(150_000);
  const hub = await HubServer.start(path.join(folder, "hub"));
  const desk = await linked(hub, path.join(folder, "desk"), "Desk", "harbour", {}, ["--projects-root", "off"]);
  const laptop = await linked(hub, path.join(folder, "laptop"), "Laptop", "api");
  try {
    await page.goto(hub.setupUrl);
    await screen.expectLists(page);
    await laptop.stop();
    await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
    const machine = page.getByRole("group", { name: words.target.machine });
    const fresh = page.getByRole("radio", { name: words.newChat.newProject });
    await machine.getByRole("radio", { name: /Desk/ }).click();
    await expect(page.getByRole("radio", { name: /harbour/ })).toBeVisible();
    await expect(fresh).toHaveCount(0);
    await machine.getByRole("radio", { name: /Laptop/ }).click();
    await fresh.click();
    await page.getByRole("radio", { name: screen.DEMO }).click();
    await page.getByLabel(words.newChat.projectName).fill("Far");
    await page.getByLabel(words.newChat.promptLabel).fill("[[say Made afar.]]");
    await page.getByRole("button", { name: words.newChat.start }).click();
    await expect(screen.messages(page).first()).toContainText(words.queue.place(1, "Laptop"));
    await laptop.restart();
    await expect(screen.log(page).getByText("Made afar.", { exact: true })).toBeVisible({ timeout: 30_000 });
    expect(await readdir(path.join(laptop.home, "towline"))).toEqual(["Far"]);
    await expect.poll(async () => (await hub.rows("projects")).map((row) => row.name)).toContain("Far");
    // By the command line of the hub's own machine, and to one that makes none.
    await hub.run("send", "[[say hello]]", "--host", "Laptop", "--new-project", "--agent", "demo");
    await expect.poll(async () => (await readdir(path.join(laptop.home, "towline"))).length).toBe(2);
    await expect(hub.run("send", "[[say hello]]", "--host", "Desk", "--new-project=Near")).rejects.toThrow(/Desk makes no new projects/);
  } finally {
    await laptop.end();
    await desk.end();
    await hub.stop();
  }
});
