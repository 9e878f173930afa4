import { Store } from "../hub/store";

/** The screens, by their addresses. */
export type Route =
  | { screen: "sessions" }
  | { screen: "pair" }
  | { screen: "join" }
  | { screen: "share" }
  | { screen: "archived" }
  | { screen: "devices" }
  | { screen: "health" }
  | { screen: "commands" }
  | { screen: "new"; project: string | null }
  | { screen: "session"; session: string };

const SESSION = /^\/s\/(ses_[0-9a-f]{32})\/?$/;

/** The screen of an address; an unknown address is the list. */
export function parse(path: string, query = ""): Route {
  if (path === "/pair" || path === "/join" || path === "/share") return { screen: path.slice(1) as "pair" | "join" | "share" };
  if (path === "/new") return { screen: "new", project: new URLSearchParams(query).get("project") };
  if (path === "/archived" || path === "/devices" || path === "/health" || path === "/commands") return { screen: path.slice(1) as "archived" | "devices" | "health" | "commands" };
  const session = SESSION.exec(path)?.[1];
  return session === undefined ? { screen: "sessions" } : { screen: "session", session };
}

/** The address of a screen. */
export function href(route: Route): string {
  switch (route.screen) {
    case "pair":
    case "join":
    case "share":
    case "archived":
    case "devices":
    case "health":
    case "commands":
      return `/${route.screen}`;
    case "new":
      return route.project === null ? "/new" : `/new?project=${encodeURIComponent(route.project)}`;
    case "session":
      return `/s/${route.session}`;
    case "sessions":
      return "/";
  }
}

/** Where the page is. */
export const route = new Store<Route>({ screen: "sessions" });

const read = (): void => route.set(parse(location.pathname, location.search));

/** Begins to follow the browser's history. */
export function follow(): void {
  read();
  window.addEventListener("popstate", read);
}

/** Goes to a screen; `replace` leaves no trace of this one. */
export function go(to: Route, replace = false): void {
  const address = href(to);
  if (address !== location.pathname + location.search) {
    if (replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }
  read();
}

/** Takes the secret out of the fragment and out of the address bar, before anything can log or share it. */
export function takeFragment(): string | null {
  const fragment = location.hash.slice(1);
  if (fragment === "") return null;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    return decodeURIComponent(fragment);
  } catch {
    return null;
  }
}
