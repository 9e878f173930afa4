// A phone on the same network, by plain HTTP: no secure context, so no crypto.subtle, no randomUUID, no service worker.

import path from "node:path";
import { chromium } from "@playwright/test";
import { followDemo } from "../support/demo-path.ts";
import { expect, test } from "../support/fixtures.ts";
import { ADDRESS, Network } from "../support/network.ts";
import * as screen from "../support/screen.ts";
import { Towline } from "../support/towline.ts";

test("everything works from a plain-HTTP origin that is not loopback", async ({ folder, project, launchOptions, viewport, hasTouch, isMobile, deviceScaleFactor }, testInfo) => {
  const network = await Network.make(folder);
  if (typeof network === "string") {
    testInfo.annotations.push({ type: "not shown", description: network });
    console.error(`plain-http: not shown, because ${network}`);
    test.skip(true, network);
    return;
  }
  const program = process.env.TOWLINE_BIN;
  if (!program) throw new Error("TOWLINE_BIN is not set");
  const binary = await network.inside(path.resolve(program));
  const towline = await Towline.start({ folder, projects: [project], agents: {}, agentVariables: {}, binary, args: ["--lan", "--pair-once"] });
  const browser = await chromium.launch({ ...launchOptions, executablePath: await network.inside(String(launchOptions.executablePath)) });
  try {
    expect(new URL(towline.ready.url).hostname).toBe(ADDRESS);
    expect(towline.ready.pairUrl).toContain(`http://${ADDRESS}:`);
    const context = await browser.newContext({ viewport, hasTouch, isMobile, deviceScaleFactor: deviceScaleFactor ?? 1 });
    const page = await context.newPage();
    const broken: string[] = [];
    page.on("pageerror", (error) => broken.push(error.message));
    await page.goto(new URL("/pair", towline.ready.url).href);
    const has = await page.evaluate(() => ({ secure: isSecureContext, subtle: typeof crypto.subtle, uuid: typeof crypto.randomUUID, worker: "serviceWorker" in navigator }));
    expect(has).toEqual({ secure: false, subtle: "undefined", uuid: "undefined", worker: false });
    await screen.pairFirst(page, towline);
    await followDemo(page, project);
    expect(broken).toEqual([]);
  } finally {
    await browser.close();
    await towline.end();
    await network.end();
  }
});
