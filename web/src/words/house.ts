/** Words of what is around the chats: putting away, taking out, devices, health, the program itself. */
export const house = {
  page: {
    newer: "Towline was updated. This page loads itself anew; what you typed is kept.",
    full: "This device has no room to keep what you write. Do not close the page before it is sent.",
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
