import type { CommandKind, CommandState, ErrorCode } from "../protocol/generated";

/** What a machine is to whoever looks: its presence and the reason for it, as one. */
export type Standing = "online" | "stale" | "stopped" | "offline" | "never" | "disabled" | "revoked" | "old" | "fenced" | "unknown";

const states: Record<Standing, string> = {
  online: "online",
  stale: "not heard from",
  stopped: "offline",
  offline: "offline",
  never: "never connected",
  disabled: "access off",
  revoked: "revoked",
  old: "needs update",
  fenced: "disk restored",
  unknown: "not known now",
};

/** Each says why, and the next step; `ago` is when the machine was last heard of. */
const reasons: Record<Standing, (ago: string) => string> = {
  online: () => "It is there.",
  stale: (ago) => `It was here ${ago} and may be asleep, or have lost its network. What you send waits for it.`,
  stopped: (ago) => `Towline was stopped there ${ago}. Start it with \`towline up\`; what you send waits for it.`,
  offline: (ago) => `It was here ${ago}: it is off, asleep or without a network. What you send waits for it.`,
  never: () => "It has never connected. Start Towline there.",
  disabled: () => "Remote access is switched off there. Switch it on at the machine: `towline access on`.",
  revoked: () => "Its access was taken back, so nothing reaches it. Link it anew to use it again.",
  old: () => "Its version of Towline and the hub's do not fit. Update the older one.",
  fenced: () => "Its disk was restored from an older state, or copied, so it stopped telling the hub anything. Nothing was overwritten. See `towline link ls` there.",
  unknown: () => "This device has no connection to the hub, so nobody here can say. It tries again by itself.",
};

const kinds: Record<CommandKind, string> = {
  start_session: "Start a chat",
  fork_session: "Go on in a new chat",
  send_prompt: "Message",
  cancel_turn: "Stop",
  answer_approval: "Answer",
  edit_prompt: "Change a message",
  move_prompt: "Move a message",
  steer_prompt: "Send into the running turn",
  set_options: "Change model, effort or permissions",
};

const badges: Record<CommandState, string> = {
  queued: "waits at the hub",
  leased: "handed to the machine",
  running: "accepted",
  succeeded: "done",
  failed: "failed",
  expired: "expired",
  cancelled: "taken back",
  indeterminate: "not known",
};

/** Words of machines, and of what is sent to them. */
export const machineWords = {
  machines: {
    title: "Machines",
    emptyTitle: "No machine yet",
    empty: "Chats run on your own machines. On the machine with your code, link Towline to this hub:",
    emptyCommand: (hub: string): string => `towline up --link ${hub}`,
    state: (standing: Standing): string => states[standing],
    reason: (standing: Standing, ago: string): string => reasons[standing](ago),
    version: (version: string): string => `Towline ${version}`,
    seen: (ago: string): string => `last seen ${ago}`,
    count: (online: number, all: number): string => `${online} of ${all} machines online`,
    here: "this hub's own",
    projects: "Projects",
    noProjects: "No project is registered there.",
    missingProject: (name: string): string => `${name} (not there)`,
    newChat: (host: string): string => `New chat on ${host}`,
    running: "Running now",
    waiting: (n: number): string => (n === 1 ? "One message waits for it." : `${n.toLocaleString("en")} messages wait for it.`),
    agents: (ready: string, rest: number): string => {
      const others = rest === 0 ? "" : rest === 1 ? "one cannot be started" : `${rest} cannot be started`;
      return `Agents: ${[ready, others].filter((part) => part !== "").join(" · ")}`;
    },
    remove: "Remove",
    removeLabel: (host: string): string => `Remove ${host}`,
    removeTitle: (host: string): string => `Remove ${host}?`,
    removeText: "It is cut off at once and comes back only when it is linked anew. Its chats stay on its own disk; what waits for it here is not run.",
  },

  elsewhere: {
    title: "Live on other machines",
  },

  target: {
    machine: "Machine",
    option: (host: string, state: string): string => `${host} (${state})`,
    keep: "Keep it for",
    waits: (host: string): string => `Waits for ${host}.`,
    ages: { "300000": "5 min", "3600000": "1 h", "86400000": "24 h", "604800000": "7 days" } as Record<string, string>,
    noProjects: (host: string): string => `${host} has no project yet. Name one there: \`towline projects add ~/code/api\`.`,
    noAgents: (host: string): string => `No agent was found on ${host}.`,
  },

  queue: {
    waits: (host: string): string => `waits for ${host}`,
    place: (place: number, host: string): string => (place === 1 ? `first in line for ${host}` : `${place} in line for ${host}`),
    expires: (left: string): string => `kept for ${left} more`,
    handed: (host: string): string => `handed to ${host}`,
    unknown: (host: string): string => `We do not know yet whether it ran: ${host} vanished. It will say when it is back.`,
    unknownShort: "not known",
    expired: (host: string): string => `${host} did not take it in time, so it was never run.`,
    longer: "Keep longer",
    longerLabel: "Keep this message for",
    again: "Send again all the same",
    againText: "It may have run already. Sent again, it may run twice.",
    refused: (why: ErrorCode | "unreachable", error: (code: ErrorCode) => string): string =>
      `That was not changed. ${why === "unreachable" ? "The hub does not answer; try again when the connection is back." : error(why)}`,
  },

  commands: {
    title: "Recent commands",
    link: "Recent commands",
    empty: "Nothing has been sent yet.",
    filter: "Machine",
    all: "All machines",
    kind: (kind: CommandKind): string => kinds[kind] ?? kind,
    badge: (state: CommandState): string => badges[state] ?? state,
    trying: (n: number, all: number): string => `tried ${n} of ${all} times; it is tried again by itself`,
    tried: (n: number): string => (n === 1 ? "one try did not start" : `${n} tries did not start`),
    attempts: (n: number): string => `handed over ${n} times`,
    from: (device: string): string => `from ${device}`,
    to: (host: string): string => `to ${host}`,
    cancel: "Take back",
    cancelLabel: (what: string): string => `Take back: ${what}`,
    edit: "Edit",
    editLabel: (what: string): string => `Edit: ${what}`,
    chat: "Open the chat",
    retry: "Send again",
    retryLabel: (what: string): string => `Send again: ${what}`,
    again: "sent again",
    wasRetried: "was sent again",
    more: "Show earlier ones",
    removedMachine: "a machine that was removed",
  },

  left: {
    seconds: (n: number): string => `${n} s`,
    minutes: (n: number): string => `${n} min`,
    hours: (n: number, m: number): string => (m === 0 ? `${n} h` : `${n} h ${m} min`),
    days: (n: number, h: number): string => (h === 0 ? `${n} d` : `${n} d ${h} h`),
  },
};
