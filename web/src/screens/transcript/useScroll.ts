import { type RefObject, startTransition, useCallback, useLayoutEffect, useRef, useState } from "react";

/** Within how many pixels of the end the reader counts as being there. */
const NEAR = 48;
/** How many pixels before the top older pages are fetched. */
const EARLY = 900;

/**
 * Keeps the reader's position: at the end it follows what is said; anywhere else what the reader looks at stays where it is,
 * whatever grows, shrinks or is put in above.
 */
export function useScroll(version: unknown, shown: boolean, wantOlder: () => void): { box: RefObject<HTMLDivElement | null>; list: RefObject<HTMLDivElement | null>; atEnd: boolean; toEnd: () => void; onScroll: () => void; around: string | null } {
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  /** What is held on to: where it stood on the screen, and how far the box was scrolled then. */
  const anchor = useRef<{ element: Element; top: number; scrolled: number } | null>(null);
  const [atEnd, setAtEnd] = useState(true);
  const middle = useRef<string | null>(null);
  const last = useRef<string | null>(null);
  const [around, setAround] = useState<string | null>(null);

  const remember = useCallback((): void => {
    const [frame, lines] = [box.current, list.current];
    if (!frame || !lines) return;
    const top = frame.getBoundingClientRect().top;
    let element = firstBelow(lines.children, top);
    // What stands above the first line stays there when older lines come in below it: it is nothing to hold on to.
    if (element?.matches(".chat-note")) element = element.nextElementSibling;
    if (element instanceof HTMLElement && element.matches(".reach")) {
      const { key = null } = element.dataset;
      middle.current = key;
      // One that is not drawn yet grows at its top when older lines come: what stands below it is what to hold on to.
      element = element.firstElementChild === null ? (element.nextElementSibling ?? element) : (firstBelow(element.children, top) ?? element);
      if (element.matches(".chunk")) element = firstBelow(element.children, top) ?? element;
    }
    anchor.current = element ? { element, top: element.getBoundingClientRect().top, scrolled: frame.scrollTop } : null;
  }, []);

  const settle = useCallback((): void => {
    const frame = box.current;
    if (!frame) return;
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
    const end = frame.scrollHeight - frame.scrollTop - frame.clientHeight < NEAR;
    // Said only when it changes: each word in between would make what is drawn between the frames begin anew.
    if (following.current !== end) setAtEnd(end);
    following.current = end;
    remember();
    if (middle.current !== last.current) {
      last.current = middle.current;
      // What comes into the page now is hundreds of lines from the screen: it is drawn between the frames, and left out when the reader
      // is somewhere else by then.
      startTransition(() => setAround(middle.current));
    }
    if (frame.scrollTop < EARLY && frame.scrollHeight > frame.clientHeight) wantOlder();
  }, [remember, wantOlder]);

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
  return { box, list, atEnd, toEnd, onScroll, around };
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
