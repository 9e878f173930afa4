import type { RefObject } from "react";
import { useKeys } from "../../app/keys";

/** A question that waits for an answer, as it stands on the screen now. */
export interface Standing {
  /** Whether the focus is in it, or on its line. */
  focused: boolean;
  /** Whether any of it is to be seen. */
  seen: boolean;
  /** Whether all of it is to be seen. */
  whole: boolean;
}

/**
 * Which question a key answers, or else which one it brings into view, so that the next press is meant: what is answered by a key is what
 * its person looks at, never one of several and never one that was not shown.
 *
 * @param standing The questions that are in the page, in their order.
 * @param asked How many wait in the chat, in the page or not.
 */
export function meant(standing: readonly Standing[], asked: number): { act: "answer" | "show"; at: number } | null {
  const held = standing.findIndex((each) => each.focused);
  if (held >= 0) return { act: standing[held]?.seen ? "answer" : "show", at: held };
  if (standing.length === 0) return null;
  return { act: asked === 1 && standing[0]?.whole ? "answer" : "show", at: 0 };
}

/** `a` allows and `d` denies, as a click on the button would: there is one listener in a chat, however many questions wait. */
export function useAnswerKeys(frame: RefObject<HTMLElement | null>, asked: number): void {
  const press = (key: "a" | "d"): void => {
    const box = frame.current;
    if (!box || asked === 0) return;
    const cards = [...box.querySelectorAll<HTMLElement>('[data-approval][data-state="pending"], [data-held]')];
    const [edge, focus] = [box.getBoundingClientRect(), document.activeElement];
    const line = focus?.closest(".line") ?? null;
    const found = meant(
      cards.map((card) => {
        const { top, bottom } = card.getBoundingClientRect();
        return { focused: card.contains(focus) || (line === focus && line !== null && line.contains(card)), seen: bottom > edge.top && top < edge.bottom, whole: top >= edge.top - 1 && bottom <= edge.bottom + 1 };
      }),
      asked,
    );
    const card = found && cards[found.at];
    if (!card) return;
    if (found.act === "answer") return card.querySelector<HTMLElement>(`[data-key="${key}"]`)?.click();
    card.scrollIntoView({ block: "nearest" });
    card.focus({ preventScroll: true });
  };
  useKeys({ a: () => press("a"), d: () => press("d") });
}
