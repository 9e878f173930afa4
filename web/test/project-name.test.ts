import { expect, it } from "vitest";
import { isProjectName } from "../src/screens/new/Project";

// The same names as in the test of `protocol::command::is_project_name`: what is sent is what is taken.
it.each(["tides", "Tide tables 2", "gezeiten-für_alle.v2", "潮", "7"])("%s can be a project", (name) => {
  expect(isProjectName(name)).toBe(true);
});

it.each(["", " ", ".", "..", ".ssh", "-rf", "a/b", "../a", "a\\b", "a\0", "a\n", "a:", "~", "~/a", "a.", "a ", "$(a)", "x".repeat(61)])("%j cannot", (name) => {
  expect(isProjectName(name)).toBe(false);
});
