import { type KeyboardEvent, useCallback, useState } from "react";
import { useHub } from "../../app/context";
import { copyText } from "../../parts/clipboard";
import { words } from "../../words";

/**
 * Moves among the lines of a chat by keys: Enter at its head goes in, `j` and `k` go on and back, `c` copies the line, Escape goes back to
 * the head. Outside of the lines `j` and `k` are those of the list of chats.
 */
export function useLineKeys(): { onKeyDown: (event: KeyboardEvent<HTMLElement>) => void; said: string } {
  const hub = useHub();
  const [said, setSaid] = useState("");
  const onKeyDown = useCallback(
    (event: KeyboardEvent<HTMLElement>): void => {
      if (!hub.keys.get() || event.defaultPrevented || event.nativeEvent.isComposing || event.metaKey || event.ctrlKey || event.altKey) return;
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, dialog, [contenteditable]")) return;
      const lines = [...event.currentTarget.querySelectorAll<HTMLElement>(".chat-lines .line")];
      const inside = target.closest(".chat-scroll") !== null;
      const at = lines.findIndex((line) => line.contains(target));
      const go = (line: HTMLElement | undefined): void => {
        event.preventDefault();
        line?.focus({ preventScroll: true });
        line?.scrollIntoView({ block: "nearest" });
      };
      if (event.key === "Enter" && target.matches("h1")) go(lines.at(-1));
      else if (!inside) return;
      else if (event.key === "j") go(at < 0 ? lines.at(-1) : lines[at + 1]);
      else if (event.key === "k") go(at < 0 ? lines.at(-1) : lines[at - 1]);
      else if (event.key === "c" && at >= 0) {
        event.preventDefault();
        void copyText(lines[at]?.innerText.trim() ?? "").then((done) => setSaid(done ? words.copied : ""));
      } else if (event.key === "Escape") go(event.currentTarget.querySelector<HTMLElement>("h1") ?? undefined);
    },
    [hub],
  );
  return { onKeyDown, said };
}
