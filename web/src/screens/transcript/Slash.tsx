import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import type { SlashCommand } from "../../protocol/generated";
import { words } from "../../words";
import "./slash.css";

/** The commands that fit what is written: a slash at the beginning, and no blank yet. Those that begin with it come first. */
export function fitting(text: string, commands: readonly SlashCommand[]): SlashCommand[] {
  const typed = /^\/(\S*)$/.exec(text)?.[1]?.toLowerCase();
  if (typed === undefined) return [];
  const begins = commands.filter((command) => command.name.toLowerCase().startsWith(typed));
  const holds = commands.filter((command) => !begins.includes(command) && command.name.toLowerCase().includes(typed));
  return [...begins, ...holds];
}

export interface Slash {
  /** What the box for writing says of the list. */
  box: { "aria-autocomplete"?: "list"; "aria-controls"?: string; "aria-activedescendant"?: string };
  /** Takes a key; true when it was for the list. */
  press(event: KeyboardEvent): boolean;
  list: React.ReactNode;
}

/** What an agent takes after a slash, offered while it is typed. */
export function useSlash(text: string, commands: readonly SlashCommand[], write: (text: string) => void): Slash {
  const id = useId();
  const [at, setAt] = useState(0);
  const [closed, setClosed] = useState<string | null>(null);
  const found = closed === text ? [] : fitting(text, commands);
  const chosen = found[Math.min(at, found.length - 1)];
  const option = useRef<HTMLLIElement>(null);
  useEffect(() => setAt(0), [text]);
  useEffect(() => {
    // Newer browsers answer with a promise, which must not be taken for what ends the effect.
    void option.current?.scrollIntoView({ block: "nearest" });
  }, [at]);
  const take = (command: SlashCommand): void => write(`/${command.name} `);
  const press = (event: KeyboardEvent): boolean => {
    if (!chosen || event.nativeEvent.isComposing || event.keyCode === 229 || event.metaKey || event.ctrlKey || event.altKey) return false;
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) setAt((Math.min(at, found.length - 1) + step + found.length) % found.length);
    else if (event.key === "Escape") setClosed(text);
    // What is written out already is sent.
    else if ((event.key === "Enter" && !event.shiftKey && text !== `/${chosen.name}`) || event.key === "Tab") take(chosen);
    else return false;
    event.preventDefault();
    return true;
  };
  if (!chosen) return { box: {}, press, list: null };
  const list = (
    <ul className="slash" id={id} role="listbox" aria-label={words.composer.commands}>
      {found.map((command) => (
        // The keys of the list are those of the box for writing, which keeps the focus.
        <li key={`${command.project ?? ""} ${command.name}`} id={`${id} ${command.name}`.replaceAll(" ", "-")} ref={command === chosen ? option : undefined} role="option" aria-selected={command === chosen} className="slash-option" onPointerDown={(event) => event.preventDefault()} onClick={() => take(command)}>
          <span className="slash-name">
            /{command.name} <span className="soft">{command.hint}</span>
          </span>
          <span className="slash-what small soft">{command.description}</span>
        </li>
      ))}
    </ul>
  );
  return { box: { "aria-autocomplete": "list", "aria-controls": id, "aria-activedescendant": `${id} ${chosen.name}`.replaceAll(" ", "-") }, press, list };
}
