import { expect, it } from "vitest";
import { type Route, href, parse } from "../src/app/router";

const routes: Route[] = [
  { screen: "sessions" },
  { screen: "pair" },
  { screen: "join" },
  { screen: "share" },
  { screen: "commands" },
  { screen: "new", project: null },
  { screen: "new", project: "prj_1" },
  { screen: "session", session: `ses_${"0".repeat(12)}7${"0".repeat(19)}` },
];

it.each(routes)("every screen has an address of its own: %o", (route) => {
  const [path = "", query = ""] = href(route).split("?");
  expect(parse(path, query)).toEqual(route);
});

it.each(["/nowhere", "/s/", "/s/ses_1", "/s/trn_00000000000070000000000000000000", "/S/x", "//pair", "/s/ses_../../x"])("%s is the list", (path) => {
  expect(parse(path)).toEqual({ screen: "sessions" });
});
