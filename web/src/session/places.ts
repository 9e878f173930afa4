/** Folders above the project that a home directory can have: `/home/ada`, `C:/Users/ada`, `/var/home/ada`. */
const HOME_DEPTH = 3;

/**
 * A path as a reader of a project knows it: without the directory of the project, which is shown to people with `~` for their home. What
 * is not below it stays whole. For reading only: who is asked for consent sees the whole path.
 */
export function shownPath(path: string, project: string): string {
  const plain = (text: string): string => text.replaceAll("\\", "/");
  const [whole, root] = [plain(path), plain(project).replace(/\/+$/, "")];
  if (root === "" || root === "~") return path;
  if (!root.startsWith("~/")) return whole.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
  const below = `${root.slice(1)}/`;
  const at = whole.indexOf(below);
  const home = whole.slice(0, at).split("/").length - 1;
  const absolute = /^(?:[A-Za-z]:)?\//.test(whole);
  return at > 0 && absolute && home <= HOME_DEPTH ? path.slice(at + below.length) : path;
}
