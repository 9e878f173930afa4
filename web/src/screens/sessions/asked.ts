import { Store } from "../../hub/store";

/** The chat whose menu is open; null for none. Any screen may ask for it. */
export const asked = new Store<string | null>(null);

/** The chat of which is shown who takes part; null for none. */
export const sharing = new Store<string | null>(null);

/** What was just done to a chat, with the way back where there is one. */
export interface Done {
  text: string;
  undo: (() => void) | null;
}

export const done = new Store<Done | null>(null);
