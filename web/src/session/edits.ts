import type { Kept } from "../hub/kept";

const EDIT = "edit.";

/**
 * What is being typed into messages that wait, by the message: it is there again after a reload, and when the message has stopped waiting
 * before it was saved.
 */
export const edits = {
  /** What is being typed into a message; null where nothing is. */
  get: (kept: Kept, session: string, message: string): string | null => kept.get(`${EDIT}${session}.${message}`),

  /** Keeps what is being typed; null lets go of it. */
  set: (kept: Kept, session: string, message: string, text: string | null): void => {
    const key = `${EDIT}${session}.${message}`;
    if (text === null) kept.remove(key);
    else kept.set(key, text);
  },

  /** All of one chat, as the messages and what is being typed into them. */
  of: (kept: Kept, session: string): [string, string][] => {
    const beginning = `${EDIT}${session}.`;
    return kept.keys(beginning).map((key) => [key.slice(beginning.length), kept.get(key) ?? ""]);
  },

  /** The words of all chats. */
  all: (kept: Kept): string[] => kept.keys(EDIT).map((key) => kept.get(key) ?? ""),
};
