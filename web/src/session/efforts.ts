import type { AgentEntry, Effort } from "../protocol/generated";

/** The efforts that a model takes; all of them for the agent's own default (""), of which nothing is known. A host of an older version names none. */
export function effortsOf(entry: Partial<Pick<AgentEntry, "efforts">>, model: string): readonly Effort[] {
  return (entry.efforts ?? []).filter((effort) => model === "" || effort.models.length === 0 || effort.models.includes(model));
}
