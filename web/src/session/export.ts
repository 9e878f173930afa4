import type { Transcript } from "./fold";

export { markdown } from "./exportMarkdown";

/** The version of the JSON form. */
const EXPORT_VERSION = 1;

/** What stands above a session's transcript, from the lists. */
export interface Head {
  session: string;
  title: string;
  /** The project's name; null when it is not known any more. */
  project: string | null;
  /** The project's directory as shown to people. */
  path: string | null;
  host: string | null;
  agent: string;
  createdAtMs: number;
  exportedAtMs: number;
}

/**
 * The session as JSON: everything that the transcript holds, by place. The twin of `protocol/src/export`; both make the files of
 * `protocol/fixtures/export`.
 */
export function json(head: Head, transcript: Transcript): string {
  const rows = <V extends object>(list: [string, V][]): object[] => list.map(([id, value]) => ({ id, ...value }));
  const { session, title, project, path, host, agent, createdAtMs, exportedAtMs } = head;
  const document = {
    format: "towline.session",
    v: EXPORT_VERSION,
    head: { session, title, project, path, host, agent, createdAtMs, exportedAtMs },
    turns: rows(transcript.turns()),
    items: rows(transcript.items()),
    approvals: rows(transcript.approvals()),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
