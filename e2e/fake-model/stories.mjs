// Prompts that a person would write, with the script that answers each: for pictures, where directives would be in the way, and for what a
// model says to its sub-agents, where they could not be written.

/** @type {ReadonlyMap<string, string>} */
export const STORIES = new Map([
  [
    "The tide test fails on CI, but not here. Find out why and fix it.",
    [
      "[[rate 45]]",
      "[[think The test compares with a date. CI runs in UTC, and this machine does not. So the day is another one there between midnight and the offset.]]",
      "[[say I'll look at the test first.]]",
      "[[tool read tests/tide.test.sh]]",
      "[[say It asks the system for today's date in **local time**, while `tide` prints the day in UTC. Between midnight and one o'clock they are different days. I'll let both ask for UTC.]]",
      "[[tool edit tests/tide.test.sh today=$(date +%F)=>today=$(date --utc +%F)]]",
      "[[say Now the tests, at the hour that failed:]]",
      "[[tool bash TZ=Pacific/Auckland sh tests/tide.test.sh]]",
      "[[say All three pass, also with the clock of Auckland:\n\n- `tests/tide.test.sh` asks for the date in UTC\n- nothing else used local time\n\nThe CI job needs no change.]]",
      "[[usage 18240 412]]",
    ].join(" "),
  ],
  [
    "Look around, and leave a sign when you have.",
    "[[usage 50 5]] [[say I look around.]] [[tool bash touch the-sign]] [[say I have looked around.]]",
  ],
]);
