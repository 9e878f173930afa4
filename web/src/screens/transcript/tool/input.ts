/** The input of a call as an object; null while it is not whole, or when it is none. */
export function inputOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** A text in the input; empty when it is not there. */
export function field(input: Record<string, unknown> | null, ...names: string[]): string {
  for (const name of names) {
    const value = input?.[name];
    if (typeof value === "string" && value !== "") return value;
  }
  return "";
}

/** The command of a call that runs one; null while its input is not whole, or when it has none. */
export function commandOf(text: string): string | null {
  const command = inputOf(text)?.["command"];
  if (typeof command === "string") return command;
  return Array.isArray(command) ? command.join(" ") : null;
}

/** The input as it is read best. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
