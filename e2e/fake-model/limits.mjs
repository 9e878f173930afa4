// What vendors say of a plan's limits: headers of an answer, Anthropic's and those of Codex, all at once. An agent reads its own.

const HOUR_S = 3_600;

/**
 * The short window is used by so many percent and ends in an hour; the long one by half as many, and ends in a day.
 * @param {number} percent
 * @param {number} nowMs
 * @returns {Record<string, string>}
 */
export function limitHeaders(percent, nowMs) {
  const now = Math.floor(nowMs / 1000);
  const status = percent >= 100 ? "rejected" : percent >= 80 ? "allowed_warning" : "allowed";
  const [short, long] = [String(now + HOUR_S), String(now + 24 * HOUR_S)];
  return {
    "anthropic-ratelimit-unified-status": status,
    "anthropic-ratelimit-unified-reset": short,
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-ratelimit-unified-5h-status": status,
    "anthropic-ratelimit-unified-5h-utilization": String(percent / 100),
    "anthropic-ratelimit-unified-5h-reset": short,
    "anthropic-ratelimit-unified-7d-status": "allowed",
    "anthropic-ratelimit-unified-7d-utilization": String(percent / 200),
    "anthropic-ratelimit-unified-7d-reset": long,
    "x-codex-primary-used-percent": String(percent),
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-at": short,
    "x-codex-secondary-used-percent": String(percent / 2),
    "x-codex-secondary-window-minutes": "10080",
    "x-codex-secondary-reset-at": long,
  };
}
