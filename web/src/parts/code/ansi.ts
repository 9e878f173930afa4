/** How a piece of terminal output looks; the words are those of `code.css`. */
export interface Piece {
  text: string;
  look: string;
}

const COLOURS = ["soft", "red", "green", "yellow", "blue", "magenta", "cyan", ""] as const;

interface Look {
  bold: boolean;
  dim: boolean;
  under: boolean;
  colour: string;
}

const PLAIN: Look = { bold: false, dim: false, under: false, colour: "" };

/** Colours (`ESC[…m`); any other control sequence (CSI, OSC, charset, single); and what is left of one that was cut. */
const ESCAPE = /\u001b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[()*+][0-9A-Za-z]|[@-Z\\-_a-z=>78]|$)/g;

/** Reads terminal output into lines: colours are kept, everything else that moves a cursor or rings a bell is left out. */
export function ansiLines(text: string): Piece[][] {
  const lines: Piece[][] = [];
  let look = PLAIN;
  for (const raw of text.replace(/\r\n/g, "\n").split("\n")) {
    const line: Piece[] = [];
    const put = (words: string): void => {
      if (words === "") return;
      const name = looks(look);
      const last = line.at(-1);
      if (last?.look === name) last.text += words;
      else line.push({ text: words, look: name });
    };
    let from = 0;
    const shown = overwritten(raw);
    for (const found of shown.matchAll(ESCAPE)) {
      put(clean(shown.slice(from, found.index)));
      from = found.index + found[0].length;
      if (found[1] !== undefined) look = change(look, found[1]);
    }
    put(clean(shown.slice(from)));
    lines.push(line);
  }
  return lines;
}

/** The words of terminal output, without anything that is for a terminal only. */
export function ansiPlain(text: string): string {
  return ansiLines(text).map((line) => line.map((piece) => piece.text).join("")).join("\n");
}

/** A carriage return goes back to the beginning of the line: what a progress bar wrote last is what stands there. */
function overwritten(line: string): string {
  const parts = line.split("\r").filter((part, at) => at === 0 || part !== "");
  if (parts.length < 2) return parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  // Colours that were set before it still count.
  const before = parts.slice(0, -1).flatMap((part) => part.match(/\u001b\[[0-9;:]*m/g) ?? []);
  return before.join("") + last;
}

function clean(text: string): string {
  return text.replace(/[^\u0008]\u0008/g, "").replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "");
}

function change(look: Look, codes: string): Look {
  let next = look;
  const list = codes === "" ? [0] : codes.split(/[;:]/).map(Number);
  for (let at = 0; at < list.length; at += 1) {
    const code = list[at] ?? 0;
    if (code === 0) next = PLAIN;
    else if (code === 1) next = { ...next, bold: true };
    else if (code === 2) next = { ...next, dim: true };
    else if (code === 4) next = { ...next, under: true };
    else if (code === 22) next = { ...next, bold: false, dim: false };
    else if (code === 24) next = { ...next, under: false };
    else if (code >= 30 && code <= 37) next = { ...next, colour: COLOURS[code - 30] ?? "" };
    else if (code >= 90 && code <= 97) next = { ...next, colour: COLOURS[code - 90] ?? "" };
    else if (code === 39) next = { ...next, colour: "" };
    else if (code === 38 || code === 48) {
      // 256 colours and true colour: only the sixteen that have a name here are kept.
      if (list[at + 1] === 5) {
        const which = list[at + 2] ?? 16;
        if (code === 38) next = { ...next, colour: which < 16 ? (COLOURS[which % 8] ?? "") : "" };
        at += 2;
      } else at += list[at + 1] === 2 ? 4 : 0;
    }
  }
  return next;
}

function looks({ bold, dim, under, colour }: Look): string {
  return [colour === "" ? "" : `ansi-${colour}`, bold ? "ansi-bold" : "", dim ? "ansi-dim" : "", under ? "ansi-under" : ""].filter((name) => name !== "").join(" ");
}
