import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";
import { Store } from "../../hub/store";

/** Within how many pixels of the end the reader counts as being there. */
const NEAR = 48;
/** How many pixels before the top older pages are fetched. */
const EARLY = 900;

/** What a screen that scrolls is wired to. */
export interface Scroll {
  /** The element that scrolls. */
  box: RefObject<HTMLDivElement | null>;
  /** The lines in it. */
  list: RefObject<HTMLDivElement | null>;
  /** Whether the reader is at the end, and is kept there. */
  atEnd: boolean;
  /** The place of the line at the top of the screen; null at the end. */
  around: Store<number | null>;
  toEnd: () => void;
  onScroll: () => void;
  /** Puts the reader back where they were; for whoever changes what is in the page. */
  settle: () => void;
}

/**
 * Keeps the reader's position: at the end it follows what is said; anywhere else what the reader looks at stays where it is,
 * whatever grows, shrinks or is put in above.
 */
export function useScroll(version: unknown, shown: boolean, wantOlder: () => void): Scroll {
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  /** What is held on to: where it stood on the screen, and how far the box was scrolled then. */
  const anchor = useRef<{ element: Element; top: number; scrolled: number } | null>(null);
  /** How far the box was scrolled when that was looked at last. */
  const scrolled = useRef(0);
  const [atEnd, setAtEnd] = useState(true);
  /** What the top of the screen is in, and the place of the line there. */
  const top = useRef<{ piece: Element | null; place: number | null }>({ piece: null, place: null });
  const told = useRef<Element | null>(null);
  const [around] = useState(() => new Store<number | null>(null));

  const remember = useCallback((): void => {
    const [frame, lines] = [box.current, list.current];
    if (!frame || !lines) return;
    scrolled.current = frame.scrollTop;
    const edge = frame.getBoundingClientRect().top;
    let element = firstBelow(lines.children, edge);
    // What stands above the first line stays there when older lines come in below it: it is nothing to hold on to.
    if (element?.matches(".chat-note")) element = element.nextElementSibling;
    const piece = element;
    let place: number | null = null;
    if (element instanceof HTMLElement && element.matches(".undrawn")) {
      place = within(element, edge);
      // Its lines come where it was, and it ends or begins somewhere else then: nothing to hold on to.
      element = null;
    }
    if (element?.matches(".chunk")) element = firstBelow(element.children, edge) ?? element;
    if (element instanceof HTMLElement && element.dataset.place !== undefined) place = Number(element.dataset.place);
    top.current = { piece, place };
    anchor.current = element ? { element, top: element.getBoundingClientRect().top, scrolled: frame.scrollTop } : null;
  }, []);

  const settle = useCallback((): void => {
    const frame = box.current;
    if (!frame) return;
    // Who has left the end, and whose event is still to come, is not taken back there. What shrank has the box at its end, too.
    if (following.current && frame.scrollTop < (anchor.current?.scrolled ?? 0) && !isAtEnd(frame)) following.current = false;
    if (following.current) frame.scrollTop = frame.scrollHeight;
    else if (anchor.current?.element.isConnected) {
      // Who has scrolled since, and whose event is still to come, goes where they wanted to.
      const { element, top, scrolled } = anchor.current;
      const moved = element.getBoundingClientRect().top - (top - (frame.scrollTop - scrolled));
      if (Math.abs(moved) >= 1) frame.scrollTop += moved;
    }
    remember();
  }, [remember]);

  const onScroll = useCallback((): void => {
    const frame = box.current;
    if (!frame) return;
    // What grew since the box was put at its end, and before its event came, has taken nobody away from there: whoever leaves goes up.
    if (following.current && frame.scrollTop >= scrolled.current && !isAtEnd(frame)) return settle();
    const end = isAtEnd(frame);
    following.current = end;
    setAtEnd(end);
    remember();
    const { piece, place } = top.current;
    // Not with every line: what is in the page around the reader reaches much further.
    if (end) around.set(null);
    else if (place !== null && (around.get() === null || piece !== told.current || piece?.matches(".undrawn"))) around.set(place);
    told.current = piece;
    if (frame.scrollTop < EARLY && frame.scrollHeight > frame.clientHeight) wantOlder();
  }, [remember, settle, wantOlder, around]);

  const toEnd = useCallback((): void => {
    following.current = true;
    setAtEnd(true);
    settle();
  }, [settle]);

  // the version is what changes the content
  useLayoutEffect(settle, [version, settle]);
  useLayoutEffect(() => {
    const [frame, lines] = [box.current, list.current];
    if (!shown || !frame || !lines) return;
    // The keyboard of a phone, a turned screen, a card that opens, lines above that are laid out for the first time: the box or its
    // content changed without a new version. This comes after layout and before anything is painted.
    const observer = new ResizeObserver(settle);
    observer.observe(frame);
    observer.observe(lines);
    return () => observer.disconnect();
  }, [settle, shown]);
  return { box, list, atEnd, around, toEnd, onScroll, settle };
}

function isAtEnd(frame: HTMLElement): boolean {
  return frame.scrollHeight - frame.scrollTop - frame.clientHeight < NEAR;
}

/** The place at the top of the screen, where the lines of it are not in the page. */
function within(undrawn: HTMLElement, top: number): number {
  const { from, to } = undrawn.dataset;
  const box = undrawn.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (top - box.top) / box.height));
  return Number(from) + Math.round(share * (Number(to) - Number(from)));
}

/** The first of some elements, which stand one below the other, that ends below a place. */
function firstBelow(elements: HTMLCollection, top: number): Element | null {
  let [low, high] = [0, elements.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((elements[middle]?.getBoundingClientRect().bottom ?? 0) > top) high = middle;
    else low = middle + 1;
  }
  return elements[low] ?? null;
}
