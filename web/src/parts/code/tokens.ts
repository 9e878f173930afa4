/** What a piece of code is, as far as it has a colour of its own. */
export type Ink = "keyword" | "string" | "comment" | "number" | "name" | "meta";

/** A piece of one line. */
export interface Token {
  text: string;
  ink: Ink | null;
}

/** The first word of the library's class, to the ink it is drawn in; what is not here has the colour of the text. */
const INKS: Record<string, Ink> = {
  keyword: "keyword",
  literal: "keyword",
  "selector-tag": "keyword",
  "template-tag": "keyword",
  built_in: "keyword",
  name: "keyword",
  string: "string",
  regexp: "string",
  "template-variable": "string",
  addition: "string",
  quote: "comment",
  comment: "comment",
  doctag: "comment",
  number: "number",
  symbol: "number",
  bullet: "number",
  link: "number",
  title: "name",
  section: "name",
  type: "name",
  attr: "name",
  attribute: "name",
  property: "name",
  "selector-class": "name",
  "selector-id": "name",
  meta: "meta",
  variable: "meta",
  deletion: "meta",
};

const ENTITIES: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'", "&#39;": "'" };

/** Reads the library's markup into lines of tokens, so that no markup of anybody ever becomes a part of the page. */
export function tokens(markup: string): Token[][] {
  const lines: Token[][] = [[]];
  const open: (Ink | null)[] = [];
  const put = (raw: string): void => {
    const text = raw.replace(/&(?:amp|lt|gt|quot|#x27|#39);/g, (entity) => ENTITIES[entity] ?? entity);
    const ink = open.at(-1) ?? null;
    text.split("\n").forEach((part, at) => {
      if (at > 0) lines.push([]);
      if (part !== "") lines.at(-1)?.push({ text: part, ink });
    });
  };
  let from = 0;
  for (const tag of markup.matchAll(/<span class="([^"]*)">|<\/span>/g)) {
    put(markup.slice(from, tag.index));
    from = tag.index + tag[0].length;
    if (tag[1] === undefined) open.pop();
    else open.push(inkOf(tag[1]) ?? open.at(-1) ?? null);
  }
  put(markup.slice(from));
  return lines;
}

function inkOf(classes: string): Ink | null {
  const first = /hljs-([\w-]+)/.exec(classes)?.[1] ?? "";
  return INKS[first] ?? null;
}
