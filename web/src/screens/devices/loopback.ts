/** Whether an address means the machine itself, wherever it is opened. */
export function loopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127\./.test(host);
}
