const actions: Partial<Record<string, string>> = {
  "command.start_session": "Started a chat",
  "command.send_prompt": "Sent a message",
  "command.edit_prompt": "Changed a message that waited",
  "command.move_prompt": "Moved a message that waited",
  "command.steer_prompt": "Sent a message into a running turn",
  "command.cancel_turn": "Stopped a turn",
  "command.answer_approval": "Answered a question of an agent",
  "command.set_options": "Changed model, effort or permissions",
  "command.cancel": "Took back a message",
  "command.ended": "A message ended without being run",
  "command.unknown": "Sent something unknown",
  "device.enrol": "A device came in",
  "device.logout": "Signed out",
  "device.revoke": "Removed a device",
  "pairing.alarm": "Many wrong codes were tried",
  "pairing.approve": "Let a device in",
  "pairing.claim": "A device asked to come in",
  "pairing.create": "Made a pairing code",
  "pairing.reject": "Refused a device",
  "session.rename": "Renamed a chat",
  "session.archive": "Archived a chat",
  "session.restore": "Put a chat back in the list",
  "session.edit": "Renamed or archived a chat",
  "session.delete": "Deleted a chat",
};

/** Words of what is around the chats: putting away, taking out, devices, health, the program itself. */
export const house = {
  page: {
    partTitle: "This part of Towline could not be fetched",
    part: "The hub does not answer, or it was updated. Nothing was lost; load the page anew when the connection is back.",
    failedTitle: "This page failed",
    failed: "That is a fault of the page. Nothing was lost: chats go on, and what you typed is kept on this device.",
    newer: "Towline was updated. This page loads itself anew; what you typed is kept.",
    blocked: "The hub answers, but this network lets neither a live connection (WebSocket) nor long answers through, so what you see may be old. What you send waits on this device. Try another network.",
    full: "This device has no room to keep what you write. Do not close the page before it is sent.",
  },

  devices: {
    title: "Devices",
    link: "Devices",
    here: "This device",
    thisOne: "this device",
    others: "Other devices",
    noOthers: "No other device has been paired.",
    connected: "connected now",
    notConnected: "not connected",
    since: (time: string): string => `paired ${time === "now" ? "just now" : /[mh]$/.test(time) ? `${time} ago` : time}`,
    signOut: "Sign out",
    signOutTitle: "Sign out here?",
    signOutText: "This device forgets the chats and needs a new code to come in again. Chats and agents go on as they are.",
    signOutWords: "What you typed here and did not send is removed with it.",
    remove: "Remove",
    removeLabel: (name: string): string => `Remove ${name}`,
    removeTitle: (name: string): string => `Remove “${name}”?`,
    removeText: "It is out within seconds, and what it kept of the chats is wiped when it next opens them. It needs a new code to come in again.",
    pair: "Pair another device",
    qr: "QR code that opens Towline on another device and pairs it",
    type: (address: string): string => `Point the other device's camera here, or open ${address} on it and type:`,
    loopback: "You opened Towline by an address that only this machine has, so another device cannot open it. Start Towline with --lan, open it by the address that it shows, and make the code there.",
    typeLocal: "In another browser on this machine, type:",
    until: (time: string): string => `For one device, until ${time}. You are asked here before it comes in.`,
  },

  machines: {
    online: "Online.",
    never: "never connected",
    version: (version: string): string => `Towline ${version}`,
    hubUnreachable: "Not known now: this device has no connection to the hub.",
    disabled: "Offline: remote access is switched off there. Switch it on at the machine.",
    revoked: "Removed: its access was taken back.",
    neverConnected: "Offline: it has never connected. Start Towline there.",
    stale: (time: string): string => `Not heard from for ${time}: it may be asleep or have lost its network.`,
    leaseExpired: (time: string): string => `Offline, last seen ${time}: it is off, asleep or without a network. What you send waits for it.`,
  },

  machineAgents: {
    title: (host: string): string => `Agents on ${host}`,
    state: { ready: "ready", logged_out: "no login", broken: "does not work", missing: "not installed" },
    version: (name: string, version: string | null): string => (version === null ? name : `${name} ${version}`),
    program: (program: string): string => program,
    tested: (oldest: string, newest: string, standing: string): string => {
      const range = oldest === newest ? oldest : `${oldest} to ${newest}`;
      if (standing === "older") return `older than what is tested (${range})`;
      if (standing === "newer") return `newer than what is tested (${range})`;
      return `tested with ${range}`;
    },
    login: (kind: string, plan: string | null): string => {
      const word = { subscription: "logged in with a plan", api_key: "logged in with an API key", cloud: "logged in through a cloud", none: "not logged in" }[kind] ?? "logged in";
      return plan === null ? word : `${word} (${plan})`;
    },
    next: (step: string): string => `Next: ${step}`,
  },

  audit: {
    title: "Recent actions",
    empty: "Nothing has been done yet.",
    nobody: "nobody known",
    failed: "The actions could not be fetched.",
    more: "Earlier actions",
    refused: (code: string): string => `refused: ${code.replaceAll("_", " ")}`,
    action: (action: string): string => actions[action] ?? action.replaceAll(/[._]/g, " "),
  },

  install: {
    title: "As an app",
    installed: "Towline is installed on this device.",
    why: "Installed, Towline opens from the home screen, and also without a network.",
    install: "Install Towline",
    byHand: "Your browser can put Towline on the home screen: look for “Install” or “Add to Home Screen” in its menu.",
    insecure: (origin: string): string => `${origin} is plain HTTP. Browsers install pages, and open them without a network, only from addresses with HTTPS.`,
    insecureNext: "Everything else works here as it is. What you write is kept on this device until the hub has it.",
  },

  health: {
    link: "Health of this machine",
    title: "Health",
    checking: "Looking at the machine",
    checkedAt: (time: string): string => (time === "now" ? "Checked just now." : `Checked ${time} ago.`),
    summary: (problems: number, warnings: number): string =>
      problems > 0 ? `${problems === 1 ? "One problem" : `${problems} problems`} to solve.` : warnings > 0 ? `It works; ${warnings === 1 ? "one thing" : `${warnings} things`} to look at.` : "Everything is well.",
    levels: { ok: "well", warning: "to look at", problem: "problem" },
    next: (step: string): string => `Next: ${step}`,
    again: "Check again",
    command: "towline doctor",
    failedTitle: "Health is not known",
    failed: {
      old: "This Towline does not tell it to browsers. Ask on the machine, in a terminal:",
      forbidden: "Only a device that may manage can see it.",
      unreachable: "The hub does not answer. Check again when the connection is back.",
    },
  },

  actions: {
    title: (chat: string): string => `“${chat}”`,
    rename: "Rename",
    renameLabel: "Title",
    save: "Save",
    archive: "Archive",
    restore: "Put back in the list",
    exportMarkdown: "Export as Markdown",
    exportJson: "Export as JSON",
    remove: "Delete…",
    removeTitle: "Delete this chat?",
    removeHere: "Deleted at the hub and on every device: all that was said, attachments, and what waits to be sent. An agent that still runs is ended.",
    removeStays: (agent: string, host: string): string => `Stays: files that were changed, and the record that ${agent} keeps for itself on ${host}.`,
    removeForGood: "This cannot be undone.",
    removeYes: "Delete",
    removeFirst: "Export first",
    archived: (chat: string): string => `“${chat}” was archived.`,
    restored: (chat: string): string => `“${chat}” is back in the list.`,
    removed: (chat: string): string => `“${chat}” was deleted.`,
    undo: "Undo",
    failed: "That was not done: the hub does not answer. Nothing was changed; try again when the connection is back.",
    failedBecause: (reason: string): string => `That was not done. ${reason}`,
    exporting: "Fetching the whole chat",
    exported: (file: string): string => `Saved as ${file}.`,
    exportFailed: "The chat could not be fetched whole, so nothing was saved. Try again when the connection is back.",
    manage: "Rename, archive, export, delete",
  },

  archive: {
    title: "Archived",
    link: (n: number): string => `Archived (${n.toLocaleString("en")})`,
    emptyTitle: "Nothing is archived",
    empty: "A chat that you archive leaves the list and stays here, whole. Its menu puts it back.",
  },
};
