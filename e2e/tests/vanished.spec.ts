// A chat that is gone although this page was never told so (W-060).

import path from "node:path";
import { expect, test } from "../support/fixtures.ts";
import { HubServer, linked } from "../support/many-machines.ts";
import * as screen from "../support/screen.ts";

// Where the list stands beside the chat.
test.use({ viewport: { width: 1280, height: 800 }, isMobile: false, hasTouch: false, deviceScaleFactor: 1 });

const { words } = screen;

interface Frame {
  type: string;
  messages?: { type: string; key: string; headers: { operation: string } }[];
}

test("a row whose deletion was never told says that the chat is gone when it is opened, and goes within five seconds", async ({ folder, page }, testInfo) => {
  testInfo.setTimeout(90_000);
  page.setDefaultTimeout(15_000);
  const hub = await HubServer.start(path.join(folder, "hub"));
  const desk = await linked(hub, path.join(folder, "desk"), "Desk", "harbour");
  // Whatever tells that a chat was deleted gets lost on its way to this page.
  let lost = 0;
  const tells = (message: NonNullable<Frame["messages"]>[number]): boolean => message.type === "session" && message.headers.operation === "delete";
  await page.routeWebSocket(/\/v1\/connect$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const frame = JSON.parse(String(text)) as Frame;
      const rest = frame.messages?.filter((message) => !tells(message));
      if (rest === undefined || rest.length === frame.messages?.length) return socket.send(text);
      lost += 1;
      socket.send(JSON.stringify({ ...frame, messages: rest }));
    });
  });
  try {
    await page.goto(hub.setupUrl);
    await screen.expectLists(page);
    await screen.startChat(page, { agent: screen.DEMO, text: "[[say Here today.]]" });
    await screen.expectSettled(page, 1);
    const session = screen.sessionOf(page);
    await page.goto(hub.url);
    const row = page.locator(`a[href="/s/${session}"]`).first();
    await expect(row).toBeVisible();
    await hub.run("delete", "--yes", session);
    await expect.poll(() => lost).toBeGreaterThan(0);
    await expect(row).toBeVisible();
    const begun = Date.now();
    await row.click();
    await expect(page.getByText(words.transcript.missingTitle)).toBeVisible({ timeout: 5_000 });
    await expect(page.locator(`a[href="/s/${session}"]`)).toHaveCount(0);
    expect(Date.now() - begun).toBeLessThan(5_000);
  } finally {
    await desk.end();
    await hub.stop();
  }
});
