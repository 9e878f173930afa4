// What is allowed for longer: made by a second tap, used without asking, listed, revoked; what is dangerous; and the policy.

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expectAccessible } from "../support/accessibility.ts";
import { expect, test } from "../support/fixtures.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;

test.use({ viewport: { width: 390, height: 844 } });

test("always, for this session: a rule is made, answers, is listed and revoked", async ({ towline, page, shoot }) => {
  await screen.pairFirst(page, towline, { name: "Phone" });
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[tool bash npm test]]" });
  const question = screen.question(page);
  await expect(question).toBeVisible({ timeout: 30_000 });
  await expect(question.locator("[data-rule-option]")).toHaveCount(0);
  await question.getByRole("button", { name: words.approval.always }).click();
  const offers = question.locator("[data-rule-option]");
  await expect(offers).toHaveCount(3);
  await expect(offers.first()).toHaveText("npm test … in harbour, for this session");
  await screen.expectFits(page);
  await expectAccessible(page);
  await shoot("always");
  await offers.first().click();
  await screen.expectSettled(page, 1);

  // The next one is answered without asking anybody, and says by which rule.
  await screen.say(page, "[[tool bash npm test -- two]]");
  await screen.expectSettled(page, 2);
  const used = screen.log(page).locator('[data-approval][data-state="answered"]').last();
  await expect(used).toContainText(words.approval.byRule(words.approval.states.allowed));
  await expect(used).toContainText("npm test … in harbour, for this session");
  await shoot("used");

  // What is dangerous takes a second tap, and no rule is offered.
  await screen.say(page, "[[tool bash npm test && rm -rf build]]");
  await expect(screen.question(page)).toContainText(words.approval.danger("it removes files"));
  await expect(screen.question(page).getByRole("button", { name: words.approval.allow, exact: true })).toHaveCount(0);
  await screen.question(page).getByRole("button", { name: words.approval.dangerAllow }).click();
  await expect(screen.question(page).getByRole("button", { name: words.approval.dangerSure("it removes files") })).toBeVisible();
  await expectAccessible(page);
  await shoot("danger");
  await screen.deny(page);
  await screen.expectSettled(page, 3);

  // The list, and the end of it.
  const chat = page.url();
  await page.goto(new URL("/devices", chat).href);
  const rule = page.locator("[data-rule]");
  await expect(rule).toHaveCount(1);
  await expect(rule).toContainText("npm test … in harbour, for this session");
  await expect(rule).toContainText("used once");
  await rule.scrollIntoViewIfNeeded();
  await expectAccessible(page);
  await screen.expectFits(page);
  await shoot("rules");
  await rule.getByRole("button", { name: words.rules.revoke }).click();
  await page.getByRole("dialog").getByRole("button", { name: words.rules.revoke }).click();
  await expect(page.locator("[data-rule]")).toHaveCount(0);
  await expect(page.getByText(words.rules.empty)).toBeVisible();

  await page.goto(chat);
  await screen.say(page, "[[tool bash npm test -- three]]");
  await expect(screen.question(page)).toBeVisible();
  await screen.deny(page);
  await screen.expectSettled(page, 4);
});

test("what the policy of the machine says is not asked, and is told", async ({ towline, page, folder, shoot }) => {
  await screen.pairFirst(page, towline, { name: "Phone" });
  const shown = (await towline.rows("policy", "show")) as unknown[];
  expect(shown).toEqual([]);
  const [config] = (await towline.rows("config", "path")) as { path: string }[];
  if (config === undefined) throw new Error("there is no place for a configuration");
  const place = path.join(path.dirname(config.path), "policy.toml");
  expect(place.startsWith(folder)).toBe(true);
  await mkdir(path.dirname(place), { recursive: true });
  await writeFile(place, '[[rule]]\ndecision = "deny"\ncommand = "npm publish"\nreason = "people publish"\n');
  await screen.startChat(page, { agent: screen.CLAUDE, text: "[[tool bash npm test; npm publish]]" });
  await screen.expectSettled(page, 1, { timeout: 30_000 });
  const denied = screen.log(page).locator('[data-approval][data-state="answered"]').last();
  await expect(denied).toContainText(words.approval.byPolicy(words.approval.states.denied));
  await expect(denied).toContainText("policy.toml line 1 says deny: people publish");
  await writeFile(place, "[[rule]]\ndecision = 1\n");
  await screen.say(page, "[[tool bash npm test]]");
  await expect(screen.question(page)).toContainText("policy.toml is not right, so everything is asked");
  await shoot("policy");
  await screen.deny(page);
  await screen.expectSettled(page, 2);
});
