/** One thing that was looked at on the machine. */
export interface Finding {
  id: string;
  level: "ok" | "warning" | "problem";
  title: string;
  detail: string | null;
  /** What to do about it. */
  next: string | null;
}

/** The answer of `GET /v1/health`. */
export interface Report {
  findings: Finding[];
  checkedAtMs: number;
}
