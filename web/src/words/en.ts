import type { AgentState, ErrorCode, ItemStatus, NoticeLevel, PlanStatus, Presence, ToolKind, TurnErrorCode } from "../protocol/generated";

const many = (n: number, one: string, more: string): string => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;
const span = (ms: number): string => {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

const tools: Record<ToolKind, string> = {
  read: "Read",
  edit: "Edit",
  delete: "Delete",
  move: "Move",
  search: "Search",
  execute: "Run",
  fetch: "Fetch",
  think: "Think",
  task: "Task",
  ask: "Ask",
  other: "Use",
};

const itemStates: Record<ItemStatus, string> = {
  running: "running",
  done: "done",
  failed: "failed",
  denied: "denied",
  interrupted: "stopped",
  unknown: "unknown state",
};

const presences: Record<Presence, string> = {
  online: "online",
  stale: "not heard from",
  offline: "offline",
  disabled: "remote access is off",
  revoked: "removed",
};

const agentStates: Record<AgentState, string> = {
  ready: "ready",
  logged_out: "not logged in",
  broken: "does not answer",
  missing: "not installed",
};

const turnErrors: Record<TurnErrorCode, string> = {
  agent_died: "The agent ended in the middle.",
  agent_error: "The agent said that it failed.",
  agent_unavailable: "The agent could not be started.",
  cancelled: "Stopped.",
  credentials_expired: "The agent is not logged in any more. Log in to it on the host, then send again.",
  host_restarted: "Towline was stopped on the host in the middle. Nothing was run again; send a message to go on.",
  model_unavailable: "The agent does not have this model.",
  rate_limited: "The vendor's limit is reached. Try again later.",
  session_not_saved: "The agent had not saved this chat, so it cannot go on with what was said before.",
  unknown: "It ended for a reason that this page does not know.",
};

const errors: Partial<Record<ErrorCode, string>> = {
  agent_died: "The agent ended before it took your message. Nothing was lost; send it again.",
  agent_unavailable: "The agent cannot be started on the host. Install it or log in to it there, or choose another.",
  approval_not_pending: "This question was answered already, or the agent has gone on.",
  body_too_large: "This is longer than what is taken. Send less at a time.",
  command_conflict: "This message was sent twice with different words. Send it again.",
  disk_full: "The disk of the host is full. Your words are kept here; free some space and retry.",
  expired: "The host did not take it in time, so it was never run. Send it again.",
  forbidden: "This device may not do that.",
  host_lost: "The host vanished before it could say. See whether Towline still runs there.",
  invalid: "The host cannot use a part of this. Change it and send again.",
  mode_not_allowed: "This permission mode may not be chosen from afar.",
  model_unavailable: "The agent does not have this model. Choose another.",
  not_found: "There is no such chat any more.",
  project_unavailable: "The project's directory is not there or not allowed any more.",
  queue_full: "Too many messages wait for this host. Wait until some have started.",
  rate_limited: "Too many tries. Wait a little.",
  session_exists: "This chat exists already.",
  store_broken: "The disk of the host failed. Nothing that was acknowledged is lost.",
  unsupported: "The host is too old for this. Update Towline there.",
};

/** Every word that people read, in English. A component never holds a sentence of its own. */
export const en = {
  appName: "Towline",
  back: "Back to all chats",
  cancel: "Cancel",
  close: "Close",
  copy: "Copy",
  copied: "Copied",
  retry: "Retry",
  dismiss: "Dismiss",
  span,

  connection: {
    live: "live",
    connecting: "connecting",
    reconnecting: (seconds: number): string => (seconds > 0 ? `reconnecting in ${seconds} s` : "reconnecting"),
    offline: "offline: will send later",
    stopped: "disconnected",
    label: (state: string): string => `Connection: ${state}`,
  },

  boot: {
    starting: "Looking for your hub",
    unreachableTitle: "The hub does not answer",
    unreachable:
      "This page came from it, so it was there a moment ago. See whether Towline still runs on that machine and whether this device is on the same network. Trying again by itself.",
    forbiddenTitle: "This device may not look here",
    forbidden: "It is enrolled, but without the right to read. Ask the person whose machine it is.",
    upgradeTitle: "This page is of another version",
    upgrade: "Towline was updated behind it. Nothing was lost; load the page anew.",
    reload: "Load anew",
  },

  sessions: {
    title: "Chats",
    needsYou: "Needs you",
    working: "Working",
    waiting: "Waiting",
    waitingFor: (host: string): string => `Waiting for ${host}`,
    earlier: "Earlier",
    untitled: "New chat",
    newChat: "New chat",
    newChatOn: (host: string): string => `New chat on ${host}`,
    search: "Search chats",
    noneFound: (text: string): string => `No chat has “${text}” in its title.`,
    emptyTitle: "No chats yet",
    empty: "A chat is one conversation with a coding agent in one of your projects. It runs on your machine and goes on when you look away.",
    emptyMain: "Choose a chat on the left, or start a new one.",
    loading: "Fetching your chats",
    hosts: "Machines",
    starting: "Starting",
    states: { needs: "needs you", working: "working", waiting: "waiting", idle: "idle", dead: "cannot go on" },
  },

  presence: (presence: Presence, ago: string): string => (presence === "online" ? "online" : `${presences[presence]} ${ago}`.trim()),

  presenceUnknown: "not known now",

  claims: {
    title: (name: string): string => `May “${name}” come in?`,
    detail: (platform: string, source: string): string => `${platform} at ${source}`,
    words: "Its screen must show these words:",
    warning: "It will be able to read every chat and run agents on this machine.",
    allow: "Allow",
    refuse: "Refuse",
    failed: "This could not be sent. It may have expired; look again in a moment.",
  },

  pair: {
    title: "Pair this device",
    intro: "Towline runs on your machine. Ask it for a code and type it here.",
    how: "On the machine, in a terminal:",
    command: "towline pair",
    code: "Code",
    codeHint: "Eight letters and digits",
    name: "What this device is called",
    submit: "Pair",
    claiming: "Sending the code",
    waitingTitle: "Now confirm it on the machine",
    waiting: "Its terminal, or a browser that is paired already, asks whether this device may come in. It must show the same two words:",
    waitingUntil: (time: string): string => `The code can be used until ${time}.`,
    approved: "You are in",
    again: "Enter another code",
    invalidTitle: "This code is not valid",
    invalid: "It may be mistyped, used or older than ten minutes. Ask the machine for a new one with “towline pair”.",
    rejectedTitle: "The machine refused this device",
    rejected: "Somebody there said no. If that was a mistake, ask for a new code and try again.",
    expiredTitle: "Nobody confirmed in time",
    expired: "The code has run out. Ask the machine for a new one with “towline pair”.",
    limitedTitle: "Too many tries",
    limited: (wait: string): string => `To keep guessers out, codes are not taken for a while. Try again in ${wait}.`,
    limitedSoon: "To keep guessers out, codes are not taken for a while. Try again in some minutes.",
    unreachableTitle: "The machine does not answer",
    unreachable: "Nothing was sent. See whether Towline still runs there and whether this device is on the same network.",
    failedTitle: "That did not work",
    deviceNames: { iphone: "iPhone", ipad: "iPad", android: "Android phone", mac: "Mac", windows: "Windows PC", linux: "Linux PC", other: "Browser" },
    unknownBrowser: "browser",
  },

  newChat: {
    title: "New chat",
    project: "Project",
    agent: "Agent",
    model: "Model",
    mode: "Permissions",
    byDefault: "Default",
    prompt: "What is to be done?",
    promptLabel: "First message",
    start: "Start chat",
    unavailable: "not there or not allowed any more",
    hostAway: (host: string): string => `${host} is not online. The chat starts when it is back, within a day.`,
    noProjectsTitle: "No project yet",
    noProjects: "A project is a directory in which agents may work. Name one on the machine when you start Towline:",
    noProjectsCommand: "towline up --project ~/code/api",
    noAgents: "No agent was found on this machine.",
    agentState: (state: AgentState): string => agentStates[state],
    tooLong: "This message is longer than what is taken (256 KiB).",
  },

  transcript: {
    you: "You",
    unknownDevice: "another device",
    loading: "Opening the chat",
    missingTitle: "There is no such chat",
    missing: "It may have been deleted, or the address is of another machine.",
    failedTitle: "The chat could not be opened",
    failed: "Nothing was lost. Trying again by itself.",
    starting: "Your message is kept. It appears here as soon as the host has taken it.",
    emptyTitle: "Nothing was said yet",
    empty: "Write the first message below.",
    older: "Earlier messages",
    olderLoading: "Fetching earlier messages",
    olderFailed: "Earlier messages could not be fetched.",
    beginning: "The chat begins here",
    latest: "Latest",
    log: "Conversation",
    thinking: "thinking",
    thought: (ms: number): string => `thought for ${span(ms)}`,
    thoughtHidden: "The vendor keeps these thoughts to itself.",
    working: (agent: string): string => `${agent} is working`,
    waitsForYou: (agent: string): string => `${agent} waits for you`,
    starts: (agent: string): string => `${agent} is being started`,
    unknownItem: "Something was said that this page cannot show. Load it anew after an update.",
    plan: "Plan",
    planStatus: (status: PlanStatus): string => ({ pending: "to do", in_progress: "under way", completed: "done" })[status],
    notice: (level: NoticeLevel): string => ({ info: "Note", warning: "Warning", error: "Error" })[level],
    turnError: (code: TurnErrorCode): string => turnErrors[code] ?? turnErrors.unknown,
    turnFailed: "This turn failed",
    turnInterrupted: "This turn was interrupted",
    stoppedBy: (who: string): string => `Stopped by ${who}.`,
    queuedPlace: (n: number): string => (n === 1 ? "next in line" : `${n} in line`),
    awayFor: (host: string, time: string): string => `${host} (${time})`,
  },

  delivery: {
    here: "on this device",
    hub: (host: string): string => (host === "" ? "at the hub" : `at the hub, waiting for ${host}`),
    queued: "waiting for its turn",
    agent: "with the agent",
    done: "done",
    failed: "failed",
    stopped: "stopped",
    takeBack: "Take back",
  },

  error: (code: ErrorCode): string => errors[code] ?? "Something went wrong at the hub. Nothing that was acknowledged is lost; try again.",

  tool: {
    kind: (kind: ToolKind): string => tools[kind] ?? tools.other,
    status: (status: ItemStatus): string => itemStates[status] ?? itemStates.unknown,
    exit: (code: number): string => `exit ${code}`,
    showAll: (n: number): string => `Show all ${n.toLocaleString("en")} lines`,
    showLess: "Show the last lines",
    omitted: (size: string): string => `${size} of output were left out.`,
    input: "Input",
    output: "Output",
    newFile: "new file",
    changes: (added: number, removed: number): string => `${many(added, "line", "lines")} added, ${removed.toLocaleString("en")} removed`,
    noOutput: "No output yet",
    diffTooLong: "The change is too long to compare here; this is the new text.",
  },

  approval: {
    permission: "May I do this?",
    question: "A question for you",
    plan: "May I carry out this plan?",
    where: (place: string, host: string): string => (place === "" ? `on ${host}` : `in ${place} on ${host}`),
    behalf: (who: string, device: string): string => `for ${who === "You" ? "you" : who}${device === "" ? "" : `, from ${device}`}`,
    why: "Why it asks",
    exactly: "Exactly what will be done",
    allow: "Allow",
    always: "Always…",
    more: "More…",
    alwaysTitle: "Do not ask again:",
    deny: "Deny",
    denyWhy: "Deny with a word",
    denyWhyLabel: "What the agent should do instead",
    answer: "Answer",
    other: "Something else",
    sending: "Sending your answer",
    waitingForHub: "Your answer is on this device and goes out when the connection is back",
    states: {
      answered: "Answered",
      allowed: "Allowed",
      denied: "Denied",
      expired: "Nobody answered in time",
      withdrawn: "No longer asked: the turn ended",
      stale: "No longer asked: the agent is gone",
    },
    by: (what: string, who: string): string => `${what} by ${who}`,
  },

  composer: {
    label: "Message",
    placeholder: "Message…",
    placeholderQueued: "Message, after this turn…",
    send: "Send",
    stop: "Stop",
    stopping: "Stopping",
    tooLong: "This message is longer than what is taken (256 KiB).",
  },

  details: {
    title: "Details",
    open: "Details of this chat",
    machine: "Machine",
    project: "Project",
    agent: "Agent",
    model: "Model",
    mode: "Permissions",
    byDefault: (now: string): string => (now === "" ? "Default" : `Default: ${now}`),
    usage: "Used so far",
    tokens: (read: number, written: number): string => `${read.toLocaleString("en")} tokens read, ${written.toLocaleString("en")} written`,
    cost: (usd: string): string => `about ${usd}, as the agent says`,
    files: "Changed files",
  },

  keys: {
    title: "Keys",
    rows: [
      ["/", "search chats"],
      ["n", "new chat"],
      ["j  k", "next chat, chat before"],
      ["a", "allow"],
      ["d", "deny"],
      [".", "stop"],
      ["?", "these keys"],
    ] as const,
  },

  time: {
    now: "now",
    minutes: (n: number): string => `${n}m`,
    hours: (n: number): string => `${n}h`,
    locale: "en",
  },

  size: (bytes: number): string => {
    if (bytes < 1024) return many(bytes, "byte", "bytes");
    return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  },
};
