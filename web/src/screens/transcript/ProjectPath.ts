import { createContext, useContext } from "react";
import { shownPath } from "../../session/places";

/** The directory of the project of the chat that is shown, with `~` for the home directory; empty while it is not known. */
export const ProjectPath = createContext("");

/** Makes paths short for the reader of this chat. */
export function useShownPath(): (path: string) => string {
  const project = useContext(ProjectPath);
  return (path) => shownPath(path, project);
}
