// What the real claude is given and what it must not give away: pictures in, secrets never out.

import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { DUMMY_KEY } from "../support/claude-environment.mjs";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";
import { CANARY, SecretScan } from "../support/secret-scan.ts";

const { words } = screen;

test("a picture that goes with a message reaches the model, byte for byte", async ({ towline, fakeModel, page }) => {
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[say show me]]" });
  await screen.expectSettled(page, 1);
  const picture = await page.screenshot({ clip: { x: 0, y: 0, width: 200, height: 120 }, scale: "css" });
  await page.getByLabel(words.attach.file).setInputFiles([{ name: "screen.png", mimeType: "image/png", buffer: picture }]);
  await expect(page.locator('.tray [data-phase="done"]')).toHaveCount(1);
  await screen.say(page, "[[say I see]]");
  await screen.expectSettled(page, 2);
  await expect(screen.messages(page).last().getByRole("button", { name: words.attach.open("screen.png") })).toBeVisible();
  const asked = (await fakeModel.log()).filter((line) => line.event === "request" && !line.side && line.prompt === "[[say I see]]").at(-1);
  expect(asked?.images).toEqual([createHash("sha256").update(picture).digest("hex").slice(0, 16)]);
});

test("what the vendor's login and key are is in no frame, answer, log, file or trail", async ({ towline, folder, project, page }) => {
  // A login as claude keeps it, besides the key of its environment; neither is a real one.
  const planted = "sk-ant-oat01-planted-for-the-scan-0123456789abcdef";
  const login = { claudeAiOauth: { accessToken: planted, refreshToken: `${planted}-refresh`, expiresAt: Date.now() + 3_600_000, scopes: ["user:inference"] } };
  const config = path.join(folder, "home", ".claude-config");
  await mkdir(config, { recursive: true });
  await writeFile(path.join(config, ".credentials.json"), JSON.stringify(login), { mode: 0o600 });

  const scan = new SecretScan(page);
  await screen.pairFirst(page, towline);
  await screen.startChat(page, { agent: screen.CLAUDE, text: `[[think 5]] [[tool write note.txt high water]] [[say ${CANARY}]]` });
  await expect(screen.question(page)).toBeVisible();
  await screen.allow(page);
  await screen.expectSettled(page, 1);
  await screen.say(page, "[[error 401]]");
  await screen.expectSettled(page, 2);
  await page.reload();
  await screen.expectSettled(page, 2);
  await scan.ask(towline, "tail", screen.sessionOf(page), "--until-idle");
  await scan.expectNowhere([planted, DUMMY_KEY], { towline, folder, project });
});
