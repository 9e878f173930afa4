// Two tabs of one browser are one device: one draft, one outbox, and one end.

import type { Page } from "@playwright/test";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

const composer = (page: Page) => page.getByLabel(words.composer.label, { exact: true });
const tray = (page: Page) => page.locator(".tray").getByRole("list", { name: words.attach.list });

test("what is typed or attached in one tab is in the other, and goes from both when it is sent", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[words 3]] hello" });
  await screen.expectSettled(page, 1);
  const other = await page.context().newPage();
  await other.goto(page.url());
  await screen.expectLive(other);
  await composer(page).pressSequentially("a long draft");
  await expect(composer(other)).toHaveValue("a long draft");
  await composer(other).pressSequentially(", and more");
  await expect(composer(page)).toHaveValue("a long draft, and more");
  await other.getByLabel(words.attach.file).setInputFiles([{ name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("# Notes\n") }]);
  await expect(tray(page).getByRole("listitem")).toHaveCount(1);
  await page.getByRole("button", { name: words.composer.send, exact: true }).click();
  await expect(composer(other)).toHaveValue("");
  await expect(tray(other)).toHaveCount(0);
  await screen.expectSettled(other, 2);
  // For the next page, too.
  await other.reload();
  await screen.expectLive(other);
  await expect(composer(other)).toHaveValue("");
  await expect(tray(other)).toHaveCount(0);
  await expect(screen.messages(other)).toHaveCount(2);
});

test("a tab is signed out with its browser, and shows nothing after that", async ({ towline, page }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.DEMO, text: "[[words 3]] hello" });
  await screen.expectSettled(page, 1);
  const other = await page.context().newPage();
  await other.goto(page.url());
  await screen.expectLive(other);
  await page.goto(new URL("/devices", towline.ready.url).href);
  await page.getByRole("region", { name: words.devices.here }).getByRole("button", { name: words.devices.signOut }).click();
  await page.getByRole("dialog").getByRole("button", { name: words.devices.signOut }).click();
  await expect(other).toHaveURL(/\/pair/);
  await expect(other.getByText("hello")).toHaveCount(0);
});
