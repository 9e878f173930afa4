// One towline with one agent, and the chat that its cases are played in one after another.

import { type Page, expect } from "@playwright/test";
import type { DrivenAgent } from "./driven-agents.ts";
import type { FakeModel, LogLine } from "./fake-model.ts";
import * as screen from "./screen.ts";
import type { Towline } from "./towline.ts";

const { words } = screen;

/** Agents that start from disk on a busy machine take their time. */
const TURN_MS = 60_000;

export class AgentWorld {
  readonly agent: DrivenAgent;
  readonly towline: Towline;
  readonly fakeModel: FakeModel;
  readonly project: string;
  readonly page: Page;
  /** Messages of the opened chat. */
  count = 0;
  /** When the first message of the opened chat had been answered: its agent has begun its record of it by then, however slow it is. */
  begunAtMs = 0;

  constructor(parts: { agent: DrivenAgent; towline: Towline; fakeModel: FakeModel; project: string; page: Page }) {
    this.agent = parts.agent;
    this.towline = parts.towline;
    this.fakeModel = parts.fakeModel;
    this.project = parts.project;
    this.page = parts.page;
  }

  /** Goes to the list of chats, wherever the page is. */
  async toLists(): Promise<void> {
    await this.page.goto(this.towline.ready.url);
    await screen.expectLists(this.page);
    this.count = 0;
  }

  /** Starts a chat, in the mode in which the agent asks unless another one is named. */
  async starts(text: string, { mode = this.agent.asking, settled = true }: { mode?: string | null; settled?: boolean } = {}): Promise<void> {
    const { page, agent } = this;
    await this.toLists();
    await page.getByRole("link", { name: new RegExp(`^${words.sessions.newChat}`) }).filter({ visible: true }).click();
    await page.getByRole("radio", { name: agent.name, exact: false }).click();
    if (mode !== null) await page.getByRole("combobox", { name: words.newChat.mode }).selectOption({ label: mode });
    await page.getByLabel(words.newChat.promptLabel).fill(text);
    await page.getByRole("button", { name: words.newChat.start }).click();
    await expect(screen.log(page)).toBeVisible();
    this.count = 1;
    if (settled) await this.settled();
  }

  /** Sends a message in the opened chat; without one, a chat is started with it. */
  async says(text: string, { settled = true } = {}): Promise<void> {
    if (this.count === 0) return this.starts(text, { settled });
    await screen.say(this.page, text);
    this.count += 1;
    if (settled) await this.settled();
  }

  /** Every message is at its end. */
  async settled(): Promise<void> {
    await screen.expectSettled(this.page, this.count, { timeout: TURN_MS });
    if (this.count === 1) this.begunAtMs = Date.now();
  }

  /** Allows what the agent asks, which names this. */
  async allows(named: string): Promise<void> {
    await expect(screen.question(this.page)).toContainText(named, { timeout: TURN_MS });
    await screen.allow(this.page);
  }

  /** Chooses another model for what follows. */
  async chooses(label: string): Promise<void> {
    await this.page.getByRole("button", { name: words.details.open }).click();
    const details = this.page.getByRole("complementary", { name: words.details.title });
    await details.getByRole("combobox", { name: words.details.model }).selectOption({ label });
    await details.getByRole("button", { name: words.close }).click();
  }

  /** What the server was asked for this prompt, oldest first, without what agents ask beside the conversation. */
  async requests(prompt: string): Promise<LogLine[]> {
    return (await this.fakeModel.log()).filter((line) => line.event === "request" && !line.side && line.prompt === prompt);
  }
}
