// Files with a message: attached, uploaded in pieces over a network that goes away, kept over a reload, sent, and seen whole.

import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test("files go with a message, whatever the network does", async ({ towline, cutProxy, page, shoot }, testInfo) => {
  testInfo.setTimeout(180_000);
  await page.emulateMedia({ reducedMotion: "reduce" });
  const picture = async (name: string) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await shoot(`${colorScheme}-${name}`);
      await expectAccessible(page);
    }
  };
  await screen.pairFirst(page, towline, { address: cutProxy.url, name: "Ada's phone" });
  await screen.startChat(page, { agent: screen.DEMO, text: "[[say hello]]" });
  await screen.expectSettled(page, 1);
  const image = await page.screenshot();
  const pick = page.getByLabel(words.attach.file);
  const tray = page.locator(".tray");
  const send = page.getByRole("button", { name: words.composer.send, exact: true });

  // What cannot be sent says why at once, and can be taken away.
  await pick.setInputFiles([
    { name: "big.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(25_000_001, 97) },
    { name: "program.exe", mimeType: "application/octet-stream", buffer: Buffer.from([0x4d, 0x5a, 0, 0xff]) },
  ]);
  await expect(tray.getByText(words.attach.why("tooLarge"))).toBeVisible();
  await expect(tray.getByText(words.attach.why("kind"))).toBeVisible();
  await page.getByLabel(words.composer.label, { exact: true }).fill("Look at these");
  await expect(send).toBeDisabled();
  await page.getByRole("button", { name: words.attach.remove("big.bin") }).click();
  await page.getByRole("button", { name: words.attach.remove("program.exe") }).click();

  // The network goes in the middle of an upload; it goes on from where it was.
  let pieces = 0;
  await page.route("**/v1/uploads/*", async (route) => {
    if (route.request().method() === "PATCH" && (pieces += 1) === 3) cutProxy.cut();
    await route.continue();
  });
  await pick.setInputFiles([
    { name: "screen.png", mimeType: "image/png", buffer: image },
    { name: "tides.log", mimeType: "text/plain", buffer: Buffer.from("high water at six\n".repeat(120_000)) },
  ]);
  await expect(tray.getByText(words.attach.noNetwork).first()).toBeVisible();
  await expect(send).toBeDisabled();
  await picture("40-attach-waiting");
  cutProxy.restore();
  await expect(tray.locator('[data-phase="done"]')).toHaveCount(2, { timeout: 40_000 });
  await expect(send).toBeEnabled();

  // The draft and its files outlive a reload.
  await page.reload();
  await screen.expectLive(page);
  await expect(tray.locator('[data-phase="done"]')).toHaveCount(2);
  await expect(page.getByLabel(words.composer.label, { exact: true })).toHaveValue("Look at these");
  await picture("41-attach-ready");
  await send.click();
  const message = screen.messages(page).last();
  await expect(message.getByText("tides.log")).toBeVisible();
  await screen.expectSettled(page, 2);
  await expect(message).toHaveAttribute("data-delivery", "done");
  const thumb = message.getByRole("button", { name: words.attach.open("screen.png") });
  await expect.poll(() => thumb.locator("img").evaluate((img) => (img as HTMLImageElement).naturalWidth)).toBeGreaterThan(0);
  await expect(page.locator(".tray")).toHaveCount(0);
  await picture("42-attach-sent");
  await thumb.click();
  const whole = page.getByRole("dialog", { name: "screen.png" });
  await expect(whole).toBeVisible();
  await picture("43-attach-whole");
  await page.keyboard.press("Escape");
  await expect(whole).toHaveCount(0);
  await expect(thumb).toBeFocused();

  // A picture that is pasted is attached; a new chat takes files too.
  await page.getByLabel(words.composer.label, { exact: true }).evaluate((box, bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
    box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, [...image.subarray(0, 4_000)]);
  await expect(tray.getByText("image.png")).toBeVisible();
  await page.getByRole("button", { name: words.attach.remove("image.png") }).click();
  await page.goto(new URL("/new", cutProxy.url).href);
  await expect(page.getByRole("radio", { name: new RegExp(screen.DEMO) })).toBeVisible();
  await page.getByLabel(words.attach.file).setInputFiles([{ name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("# Notes\n") }]);
  await expect(page.locator('.tray [data-phase="done"]')).toHaveCount(1);
  await expect(page.locator(".tray")).toBeInViewport({ ratio: 1 });
  await picture("44-attach-new");
});
