import { LIMITS } from "../../protocol/generated";

/** Whether a prompt is longer than what the hub takes. */
export function tooLong(text: string): boolean {
  // A character has at most three bytes per UTF-16 unit: most texts need not be encoded to know.
  return text.length * 3 > LIMITS.maxPromptBytes && new TextEncoder().encode(text).length > LIMITS.maxPromptBytes;
}
