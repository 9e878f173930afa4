import { en } from "./en";

/** The shape that every catalogue has; the compiler finds a word that a translation lacks. */
export type Words = typeof en;

/** The catalogue in use. */
export const words: Words = en;
