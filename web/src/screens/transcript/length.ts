/** Longest prompt, in bytes of UTF-8 (protocol: MAX_PROMPT_BYTES). */
export const MAX_PROMPT_BYTES = 256 * 1024;

/** Whether a prompt is longer than what the hub takes. */
export function tooLong(text: string): boolean {
  // A character has at most three bytes per UTF-16 unit: most texts need not be encoded to know.
  return text.length * 3 > MAX_PROMPT_BYTES && new TextEncoder().encode(text).length > MAX_PROMPT_BYTES;
}
