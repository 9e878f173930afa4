import type { Approval, Command, Delta, Device, Host, Item, Operation, Participant, Project, ReadMark, Rule, Session, Turn } from "../protocol/generated";

/** The row types of a session's streams and of a feed. */
export interface Rows {
  turn: Turn;
  item: Item;
  delta: Delta;
  approval: Approval;
  host: Host;
  project: Project;
  session: Session;
  command: Command;
  device: Device;
  read_mark: ReadMark;
  rule: Rule;
  participant: Participant;
}

/** A change of one row; `value` is null exactly on delete. */
export type Fact = {
  [K in keyof Rows]: { type: K; key: string; operation: Operation; value: Rows[K] | null };
}[keyof Rows];

const KNOWN: ReadonlySet<string> = new Set<keyof Rows>([
  "turn",
  "item",
  "delta",
  "approval",
  "host",
  "project",
  "session",
  "command",
  "device",
  "read_mark",
  "rule",
  "participant",
]);

/** Reads a message; null for a fact of a type that this program does not know, or that is none. Neither is an error. */
export function parseFact(message: unknown): Fact | null {
  if (!isRecord(message) || !isRecord(message["headers"])) return null;
  const { type, key, value } = message;
  const { operation } = message["headers"];
  if (typeof type !== "string" || typeof key !== "string" || !KNOWN.has(type)) return null;
  if (operation === "delete") return { type, key, operation, value: null } as Fact;
  if (operation !== "insert" && operation !== "update") return null;
  return isRecord(value) ? ({ type, key, operation, value } as unknown as Fact) : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
