// A hub, three machines (the real claude, the demo agent, and one that sleeps first), two accounts and five clients: two browsers, a third of
// somebody else, the command line, and the published Durable Streams client. Real processes, each machine in a network of its own where
// this one allows it. In the end everybody has the same.

import path from "node:path";
import { type BrowserContextOptions, type Page, chromium } from "@playwright/test";
import { claudeVariables } from "../support/claude-environment.mjs";
import { FakeModel } from "../support/fake-model.ts";
import { expect, test } from "../support/fixtures.ts";
import { makeGround } from "../support/ground.ts";
import { HubServer, linked } from "../support/many-machines.ts";
import { PublishedClient } from "../support/published.ts";
import { Reader } from "../support/reader.ts";
import * as screen from "../support/screen.ts";

const { words } = screen;
const PLACES = ["hub", "clients", "desk", "laptop", "server"] as const;
const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const TABLET: BrowserContextOptions = { viewport: { width: 1180, height: 820 } };

test("what is sent runs once, where it was meant to, through sleep, lost networks and deaths, and everybody has the same in the end", async ({ folder, claude, launchOptions }, testInfo) => {
  testInfo.setTimeout(420_000);
  const ground = await makeGround(folder, PLACES);
  if (ground.why !== null) {
    testInfo.annotations.push({ type: "on loopback", description: ground.why });
    console.error(`scenarios: all on loopback, because ${ground.why}`);
  }
  const towline = path.resolve(process.env.TOWLINE_BIN ?? "");
  const ends: (() => Promise<unknown>)[] = [() => ground.end()];
  try {
    // The hub, and the machines that dial it. The model is beside the machine that asks it.
    const hub = await HubServer.start(path.join(folder, "hub"), { binary: await ground.inside("hub", towline), listen: ground.hubListen, args: ground.hubArgs });
    ends.push(() => hub.stop());
    const model = await FakeModel.start(path.join(folder, "fake-model.jsonl"), await ground.inside("desk", process.execPath));
    ends.push(() => model.stop());
    const machine = async (place: "desk" | "laptop" | "server", name: string, project: string, agents: Record<string, string> = {}) => {
      const home = path.join(folder, place);
      const agentVariables = "claude" in agents ? claudeVariables({ port: model.port, home: path.join(home, "home") }) : {};
      const how = { binary: await ground.inside(place, towline), agents, agentVariables, hub: await ground.link(place, hub.url) };
      const made = await linked(hub, home, name, project, how);
      ends.push(() => made.end());
      return made;
    };
    const desk = await machine("desk", "Desk", "harbour", { claude });
    const laptop = await machine("laptop", "Laptop", "harbour");
    const server = await machine("server", "Server", "tools");
    await server.stop();

    // The people: the owner with a phone and a tablet, a program of the owner's, and Ada, who was invited.
    const browser = await chromium.launch({
      ...launchOptions,
      executablePath: await ground.inside("clients", String(launchOptions.executablePath)),
      args: [...(launchOptions.args ?? []), "--ignore-certificate-errors"],
    });
    ends.push(() => browser.close());
    const open = async (options: BrowserContextOptions) => {
      const page = await (await browser.newContext({ ...options, ignoreHTTPSErrors: true, serviceWorkers: "block" })).newPage();
      page.setDefaultTimeout(20_000);
      return page;
    };
    const at = await ground.page(hub.url);
    const there = (where: string) => new URL(where, at).href;
    const picture = (page: Page, name: string) => page.screenshot({ path: path.join(testInfo.config.rootDir, "..", ".out", "screens", `${testInfo.project.name}-${name}.png`), animations: "disabled" });
    const [phone, tablet, ada] = [await open(PHONE), await open(TABLET), await open(PHONE)];
    const readers = { phone: new Reader(phone), tablet: new Reader(tablet) };
    await phone.goto(await ground.page(hub.setupUrl));
    await screen.expectLists(phone);
    const [offer] = await hub.rows("pair");
    await screen.typeCode(tablet, at, String(offer?.code), "Tablet");
    await expect.poll(async () => (await hub.rows("pair", "list")).map((claim) => claim.pairing)).toContain(offer?.pairing);
    await hub.run("pair", "allow", String(offer?.pairing));
    await screen.expectLists(tablet);
    const [ticket] = await hub.rows("pair");
    const published = await PublishedClient.start(await ground.inside("clients", process.execPath), { hub: at.replace(/\/$/, ""), code: String(ticket?.code), certificate: ground.certificate });
    ends.push(() => published.end());
    await hub.run("pair", "allow", published.pairing);
    const [invitation] = await hub.rows("hub", "invite", "--name", "Ada");
    await ada.goto(await ground.page(String(invitation?.url)));
    await ada.getByRole("button", { name: words.join.submit }).click();
    await screen.expectLists(ada);

    const own = async (which: typeof desk) => (await which.rows("sessions")).map((row) => String(row.session));
    const stateOf = async (text: string) => (await hub.rows("commands")).find((row) => row.text === text)?.state;

    const onDesk = await test.step("000: the machine that was chosen works, with the model that was chosen; one that sleeps works when it wakes", async () => {
      await expect(phone.locator(".hosts")).toContainText(`Server${words.machines.state("offline")}`);
      await screen.startOn(phone, "Desk", "Count the boats. [[rate 30]] [[text 60]]", { agent: screen.CLAUDE, model: "Haiku" });
      await screen.expectSettled(phone, 1, { timeout: 60_000 });
      const session = screen.sessionOf(phone);
      const asked = (await model.log()).find((line) => line.prompt?.startsWith("Count the boats") && !line.side);
      expect(asked?.model).toContain("haiku");
      expect([await own(desk), await own(laptop)]).toEqual([[session], []]);
      await screen.say(phone, "[[error 401]]");
      await screen.expectSettled(phone, 2);
      await expect(screen.log(phone).locator('[data-turn-state="failed"]')).toContainText(words.transcript.turnError("credentials_expired"));

      await hub.run("send", "--host", "Server", "--project", "tools", "--agent", "demo", "--keep", "1s", "[[say Too late.]]");
      await phone.goto(at);
      await screen.startOn(phone, "Server", "[[say Woken.]]");
      await expect(screen.messages(phone)).toContainText(words.queue.place(1, "Server"));
      await expect.poll(() => stateOf("[[say Too late.]]")).toBe("expired");
      await picture(phone, "80-waits-for-server");
      await server.restart();
      await expect(screen.log(phone).getByText("Woken.", { exact: true })).toBeVisible({ timeout: 30_000 });
      await screen.expectSettled(phone, 1);
      expect(await own(server)).toEqual([screen.sessionOf(phone)]);
      return session;
    });

    await test.step("001: two browsers and the machine itself see one chat, also after the network was away", async () => {
      for (const page of [phone, tablet]) {
        await page.goto(there(`/s/${onDesk}`));
        await screen.expectSettled(page, 2);
        await screen.expectLive(page);
      }
      await screen.say(tablet, "[[rate 40]] [[text 200]]");
      for (const page of [phone, tablet]) await expect(screen.messages(page).last()).toContainText(`${words.transcript.you}Tablet`);
      await expect(screen.log(phone)).toContainText(screen.counted(1, 10));
      await picture(phone, "81-from-tablet");
      await ground.cut("clients");
      await desk.run("send", "--session", onDesk, "[[rate 40]] [[text 300]] [[say From the desk.]]");
      await expect(screen.sign(phone)).not.toHaveAttribute("data-connection", "live", { timeout: 45_000 });
      await ground.restore("clients");
      for (const page of [phone, tablet]) await expect(screen.messages(page)).toHaveCount(4, { timeout: 45_000 });
      await ground.cut("desk");
      await expect.poll(async () => (await desk.rows("sessions"))[0]?.activity, { timeout: 30_000 }).toBe("idle");
      await ground.restore("desk");
      for (const page of [phone, tablet]) {
        await screen.expectSettled(page, 4, { timeout: 60_000 });
        await expect(screen.log(page)).toContainText("From the desk.");
      }
      expect(await screen.lines(tablet)).toEqual(await screen.lines(phone));
    });

    const onLaptop = await test.step("002: what runs elsewhere is there to open and steer, and is gone when its machine is", async () => {
      await laptop.run("send", "--project", "harbour", "--agent", "demo", "[[rate 40]] [[words 4000]]");
      await tablet.goto(at);
      const live = tablet.locator(".sessions-group").filter({ has: tablet.getByRole("heading", { name: words.elsewhere.title }) });
      await expect(live.getByRole("link")).toHaveCount(1);
      await expect(live.getByRole("link")).toContainText("Laptop");
      await picture(tablet, "82-live-elsewhere");
      await live.getByRole("link").click();
      await screen.expectWords(tablet, 5);
      const session = screen.sessionOf(tablet);
      await screen.say(tablet, "[[say Steered.]]");
      await screen.stop(tablet);
      await expect(screen.log(tablet).getByText("Steered.", { exact: true })).toBeVisible();
      const devices = await hub.rows("devices");
      const sender = (await hub.rows("commands", "--host", "Laptop")).find((row) => row.text === "[[say Steered.]]");
      expect(devices.find((device) => device.device === sender?.device)?.name).toBe("Tablet");
      // It dies in the middle of a turn.
      await screen.say(tablet, "[[rate 40]] [[words 4000]]");
      await expect(screen.messages(tablet)).toHaveCount(3);
      await expect.poll(async () => (await screen.lines(tablet)).at(-1)).toContain("w5 ");
      await laptop.kill9();
      return session;
    });

    await test.step("004: eight chats at once are five at once, and the end of a turn is seen on another device", async () => {
      await phone.goto(there("/commands"));
      const texts = Array.from({ length: 8 }, (_, at) => `[[rate 60]] [[words 60]] [[say Number ${at}.]]`);
      await Promise.all(texts.map((text) => hub.run("send", "--host", "Server", "--project", "tools", "--agent", "demo", text)));
      let most = 0;
      await expect
        .poll(
          async () => {
            const rows = (await hub.rows("sessions")).filter((row) => row.machine === "Server" && row.activity === "working");
            most = Math.max(most, rows.length);
            return (await hub.rows("commands", "--host", "Server")).filter((row) => texts.includes(String(row.text)) && row.state === "succeeded").length;
          },
          { timeout: 60_000, intervals: [200] },
        )
        .toBe(8);
      expect(most).toBe(5);
      await picture(phone, "83-eight-commands");
    });

    await test.step("002, once more: the machine that died is away, its chat is nowhere live, and goes on when it is back", async () => {
      await tablet.goto(at);
      await expect(tablet.locator(".hosts")).toContainText(`Laptop${words.machines.state("offline")}`, { timeout: 60_000 });
      await expect(tablet.getByRole("heading", { name: words.elsewhere.title })).toHaveCount(0);
      await tablet.goto(there(`/s/${onLaptop}`));
      await screen.say(tablet, "[[say Back again.]]");
      await expect(screen.messages(tablet).last()).toContainText(words.queue.place(1, "Laptop"));
      await picture(tablet, "84-laptop-died");
      await laptop.restart();
      await expect(screen.log(tablet).getByText("Back again.", { exact: true })).toBeVisible({ timeout: 30_000 });
      // A long answer, word by word: at no moment is one missing.
      await screen.say(tablet, "[[rate 10]] [[words 900]]");
      await expect(screen.messages(tablet)).toHaveCount(5);
      const answer = screen.counted(1, 900);
      const torn: string[] = [];
      const said = async () => {
        const line = (await screen.lines(tablet)).slice(-4).findLast((each) => each.startsWith("w1 "))?.trim() ?? "";
        if (!answer.startsWith(line)) torn.push(line);
        return line;
      };
      await expect.poll(said, { timeout: 30_000, intervals: [50] }).toBe(answer);
      expect(torn).toEqual([]);
      await screen.expectSettled(tablet, 5);
    });

    await test.step("cross: the hub, a machine and a page die in the middle of an answer", async () => {
      await phone.goto(there(`/s/${onDesk}`));
      await tablet.goto(there(`/s/${onDesk}`));
      await screen.expectSettled(phone, 4);
      await screen.say(phone, "[[rate 40]] [[text 250]]");
      await expect.poll(async () => (await screen.lines(phone)).at(-1)).toContain("w5 ");
      await hub.kill9();
      await phone.reload().catch(() => null);
      // The browser's own page about it comes a moment after the refusal, and would break into what is asked for next.
      await phone.waitForURL(/^chrome-error:/);
      await hub.restart();
      await phone.goto(there(`/s/${onDesk}`));
      await screen.expectSettled(phone, 5, { timeout: 60_000 });
      await screen.say(tablet, "[[rate 40]] [[text 400]]");
      await expect.poll(async () => (await screen.lines(phone)).at(-1), { timeout: 30_000 }).toContain("w5 ");
      await desk.kill9();
      await desk.restart();
      await screen.say(phone, "[[say And on we go.]]");
      for (const page of [phone, tablet]) {
        await expect(screen.log(page).getByText("And on we go.", { exact: true })).toBeVisible({ timeout: 60_000 });
        await screen.expectSettled(page, 7, { timeout: 60_000 });
      }
      await expect(screen.log(phone).locator('[data-turn-state="interrupted"]')).toHaveCount(1);
      await picture(phone, "85-after-the-deaths");
    });

    await test.step("everybody has the same", async () => {
      for (const [machine, session] of [[desk, onDesk], [laptop, onLaptop]] as const) {
        const told = (await machine.run("tail", session, "--canonical", "--until-idle")).trimEnd();
        expect((await hub.run("tail", session, "--canonical", "--until-idle")).trimEnd()).toBe(told);
        for (const page of [phone, tablet]) {
          await page.goto(there(`/s/${session}`));
          await screen.expectLive(page);
          await screen.toBeginning(page);
        }
        await expect.poll(() => published.canonical(session), { timeout: 45_000 }).toBe(told);
        for (const reader of [readers.phone, readers.tablet]) await expect.poll(() => reader.canonical()).toBe(told);
        expect(await screen.lines(tablet)).toEqual(await screen.lines(phone));
      }
      const states = (await hub.rows("commands", "--limit", "100")).map((row) => row.state);
      expect(states.filter((state) => !["succeeded", "failed", "expired", "cancelled"].includes(String(state)))).toEqual([]);
      // Ada has seen nothing of all this, and cannot.
      await expect(ada.locator(".hosts")).toHaveCount(0);
      const seen = await ada.evaluate(async (session) => {
        const lists = (await (await fetch("/v1/lists")).json()) as { facts: { type: string }[] };
        const foreign = await Promise.all([`/v1/sessions/${session}/transcript`, `/v1/stream/sessions/${session}/journal`].map(async (path) => (await fetch(path)).status));
        return { types: [...new Set(lists.facts.map((fact) => fact.type))], foreign };
      }, onDesk);
      expect(seen).toEqual({ types: ["device"], foreign: [404, 404] });
      await picture(ada, "86-ada");
    });
  } finally {
    for (const end of ends.toReversed()) await end();
  }
});
