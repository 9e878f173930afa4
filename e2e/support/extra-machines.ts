// Machines, chats and commands beside those that a real hub has, put into the lists on their way to a page: states that no test can
// wait for (a disk that was restored, a version that does not fit, a day without a network).

import type { Page } from "@playwright/test";

const MINUTE = 60_000;

/** What each extra machine is. */
interface Extra {
  name: string;
  presence: string;
  reason: string | null;
  /** How long ago it was heard of, in milliseconds. */
  ago: number;
}

export const EXTRA = {
  laptop: { name: "Laptop", presence: "offline", reason: "lease_expired", ago: 3 * 60 * MINUTE },
  studio: { name: "Studio", presence: "online", reason: null, ago: 0 },
  fenced: { name: "Rack 3", presence: "offline", reason: "fenced", ago: 20 * MINUTE },
  old: { name: "Old box", presence: "offline", reason: "version_incompatible", ago: 26 * 60 * MINUTE },
  barred: { name: "Office", presence: "disabled", reason: "remote_access_disabled", ago: 40 * MINUTE },
  never: { name: "New board", presence: "offline", reason: "never_connected", ago: 0 },
} satisfies Record<string, Extra>;

export type Which = keyof typeof EXTRA;

/** The same id in every run, of any sort. */
export function idOf(sort: string, number: number): string {
  return `${sort}_${"0".repeat(12)}7${number.toString(16).padStart(19, "8")}`;
}

const at = (which: Which): number => Object.keys(EXTRA).indexOf(which) + 1;
export const hostOf = (which: Which): string => idOf("dev", at(which));
export const projectOf = (which: Which): string => idOf("prj", at(which));

/** Puts them into the lists of every page load; `facts` are more of them, made from the hub's own. */
export async function addMachines(page: Page, which: readonly Which[], facts: (own: OwnRows) => object[] = () => []): Promise<void> {
  await page.route("**/v1/lists", async (route) => {
    const answer = await route.fetch();
    const lists = (await answer.json()) as { facts: Fact[]; offset: string };
    const own = ownRows(lists.facts);
    const machines = which.flatMap((each) => [
      fact("host", hostOf(each), hostValue(each, own.host)),
      ...(each === "never" ? [] : [fact("project", projectOf(each), { v: 1, host: hostOf(each), available: true, createdAtMs: 1, content: { name: each === "laptop" ? "api" : `${each}-tools`, path: `~/code/${each}` } })]),
    ]);
    await route.fulfill({ response: answer, json: { ...lists, facts: [...lists.facts, ...machines, ...facts(own)] } });
  });
}

export interface Fact {
  type: string;
  key: string;
  value: Record<string, unknown>;
  headers: { operation: string };
}

/** What the hub itself has, to make more of. */
export interface OwnRows {
  host: Record<string, unknown>;
  session: Record<string, unknown> | null;
  device: string;
  account: string;
  hostId: string;
}

function ownRows(facts: Fact[]): OwnRows {
  const host = facts.find((each) => each.type === "host");
  const device = facts.find((each) => each.type === "device" && each.value.kind === "browser");
  if (!host || !device) throw new Error("the hub has no host or no browser");
  return { host: host.value, hostId: host.key, session: facts.find((each) => each.type === "session")?.value ?? null, device: device.key, account: device.value.account as string };
}

export function fact(type: string, key: string, value: object): Fact {
  return { type, key, value: value as Record<string, unknown>, headers: { operation: "insert" } };
}

function hostValue(which: Which, like: Record<string, unknown>): object {
  const { name, presence, reason, ago } = EXTRA[which];
  const content = like.content as Record<string, unknown>;
  const never = which === "never";
  return { ...like, presence, reason, generation: never ? 0 : 3, seenAtMs: never ? 0 : Date.now() - ago, content: { ...content, name, agents: never ? [] : content.agents } };
}

/** A chat on an extra machine. */
export function session(own: OwnRows, number: number, which: Which, activity: string, title: string, doing: string | null): Fact {
  const at = Date.now() - number * MINUTE;
  const value = { v: 1, account: own.account, host: hostOf(which), project: projectOf(which), agent: "demo", model: null, mode: null, effort: null, activity, lastTurn: null, queuedTurns: 0, createdAtMs: at, updatedAtMs: at, archivedAtMs: null, endedTurns: 0, content: { title, doing } };
  return fact("session", idOf("ses", number), value);
}

/** A command for an extra machine. */
export function command(own: OwnRows, number: number, which: Which, session: string, state: string, text: string, more: object = {}): Fact {
  const at = Date.now() - (100 - number) * MINUTE;
  const value = { v: 1, kind: "send_prompt", host: hostOf(which), session, turn: null, sender: { account: own.account, device: own.device }, state, attempt: 1, createdAtMs: at, expiresAtMs: Date.now() + 24 * 60 * MINUTE - 30_000, updatedAtMs: at, error: null, content: { text, detail: null, attachments: [] }, ...more };
  return fact("command", idOf("cmd", number), value);
}
