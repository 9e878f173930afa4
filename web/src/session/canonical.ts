import type { ItemContent } from "../protocol/generated";
import type { Transcript } from "./fold";

/** One line for each turn, item and approval, by place: two readers agree exactly when these are the same bytes. */
export function canonical(transcript: Transcript): string[] {
  const lines: [number, number, string][] = [];
  for (const [id, turn] of transcript.turns()) lines.push([turn.ord, 0, `turn ${turn.ord} ${id} ${turn.state}`]);
  for (const [id, item] of transcript.items()) {
    lines.push([item.ord, 1, `item ${item.ord} ${id} ${item.role} ${item.status} ${words(item.content)}`]);
  }
  for (const [id, approval] of transcript.approvals()) {
    const option = approval.decision?.option ?? "-";
    lines.push([approval.ord, 2, `approval ${approval.ord} ${id} ${approval.state} ${option}`]);
  }
  lines.sort((a, b) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1));
  return lines.map(([, , line]) => line);
}

function words(content: ItemContent): string {
  switch (content.kind) {
    case "text":
    case "reasoning":
    case "notice":
      return `${content.kind} ${JSON.stringify(content.text)}`;
    case "tool_call":
      return `tool_call ${JSON.stringify([content.title, content.input, content.output])}`;
    case "plan":
      return `plan ${JSON.stringify(content.entries.map((entry) => `${entry.status} ${entry.text}`))}`;
    default:
      return 'unknown ""';
  }
}
