/** A page that was found. */
export interface Page {
  title: string;
  url: string;
}

/** The pages that a search of the web names (`Links: [{"title":…,"url":…}]`), and what it says beside them. */
export function pages(output: string): { pages: Page[]; rest: string } {
  const found: Page[] = [];
  const rest = output.replace(/^Links: (\[.*\])$/gm, (whole: string, list: string) => {
    try {
      for (const each of JSON.parse(list) as Partial<Page>[]) {
        if (typeof each.url === "string" && hostOf(each.url) !== null) found.push({ url: each.url, title: each.title ?? "" });
      }
      return "";
    } catch {
      return whole;
    }
  });
  return { pages: found, rest: rest.trim() };
}

/** The host of a web address; null for what is none. */
export function hostOf(url: string): string | null {
  try {
    const { protocol, host } = new URL(url);
    return protocol === "https:" || protocol === "http:" ? host : null;
  } catch {
    return null;
  }
}

/** The title that a page gives itself in Markdown: its first heading. */
export function titleOf(markdown: string): string {
  return /^#{1,2} +(.+)$/m.exec(markdown.slice(0, 4_000))?.[1]?.trim() ?? "";
}
