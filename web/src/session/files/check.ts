import { LIMITS } from "../../protocol/generated";

/** Why a file cannot be attached. */
export type Unfit = "empty" | "tooLarge" | "tooMany" | "imageKind" | "kind" | "gone";

/** Images that agents look at. */
export const IMAGES: readonly string[] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/** Bytes that are looked at to tell a text from anything else; the hub looks at all of them. */
const LOOK_BYTES = 64 * 1024;

/** Looks at a file before anything is sent: what the hub would refuse is said at once. */
export async function check(file: { type: string; size: number; slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> } }): Promise<Unfit | null> {
  if (file.size === 0) return "empty";
  if (file.size > LIMITS.maxBlobBytes) return "tooLarge";
  if (IMAGES.includes(file.type)) return null;
  if (file.type.startsWith("image/") && file.type !== "image/svg+xml") return "imageKind";
  try {
    const bytes = new Uint8Array(await file.slice(0, LOOK_BYTES).arrayBuffer());
    // A character may be cut at the end of the look: that is no fault of the text.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return text.includes("\0") ? "kind" : null;
  } catch {
    return "kind";
  }
}

/** A name that the hub takes: no path, no control character, not too long. */
export function fileName(name: string): string {
  const plain = name.replace(/[/\\:\u0000-\u001f\u007f]/g, "_").trim();
  const short = [...plain].slice(0, LIMITS.maxNameChars).join("");
  return short === "" || short === "." || short === ".." ? "file" : short;
}
