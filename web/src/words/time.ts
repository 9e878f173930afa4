import { words } from ".";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, up to a day; then a weekday, then a date. */
export function ago(atMs: number, nowMs: number): string {
  const past = Math.max(0, nowMs - atMs);
  if (past < MINUTE) return words.time.now;
  if (past < HOUR) return words.time.minutes(Math.floor(past / MINUTE));
  if (past < DAY) return words.time.hours(Math.floor(past / HOUR));
  const date = new Date(atMs);
  if (past < 6 * DAY) return date.toLocaleDateString(words.time.locale, { weekday: "short" });
  const sameYear = date.getFullYear() === new Date(nowMs).getFullYear();
  return date.toLocaleDateString(words.time.locale, { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
}

/** When something was last so, in a sentence: "2 min ago", "on Tue". */
export function since(atMs: number, nowMs: number): string {
  const past = Math.max(0, nowMs - atMs);
  if (past < MINUTE) return words.time.justNow;
  if (past < HOUR) return words.time.minutesAgo(Math.floor(past / MINUTE));
  if (past < DAY) return words.time.hoursAgo(Math.floor(past / HOUR));
  return words.time.on(ago(atMs, nowMs));
}

/** How much of a time is left, with no more parts than are read at a glance; what is over has nothing left. */
export function left(untilMs: number, nowMs: number): string {
  const rest = Math.max(0, untilMs - nowMs);
  if (rest < MINUTE) return words.left.seconds(Math.ceil(rest / 1000));
  if (rest < HOUR) return words.left.minutes(Math.floor(rest / MINUTE));
  if (rest < DAY) return words.left.hours(Math.floor(rest / HOUR), Math.floor((rest % HOUR) / MINUTE));
  return words.left.days(Math.floor(rest / DAY), Math.floor((rest % DAY) / HOUR));
}

/** The time of day, with the date in front when it was not today. */
export function clock(atMs: number, nowMs: number): string {
  const date = new Date(atMs);
  const time = date.toLocaleTimeString(words.time.locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (date.toDateString() === new Date(nowMs).toDateString()) return time;
  return `${date.toLocaleDateString(words.time.locale, { day: "numeric", month: "short" })} ${time}`;
}
