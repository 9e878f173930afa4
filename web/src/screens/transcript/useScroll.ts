import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";

/** Within how many pixels of the end the reader counts as being there. */
const NEAR = 48;
/** How many pixels before the top older pages are fetched. */
const EARLY = 900;
/** How many chunks one scrolls until what is kept in the page moves along. */
const AROUND = 12;

/**
 * Keeps the reader's position: at the end it follows what is said; anywhere else what the reader looks at stays where it is,
 * whatever grows, shrinks or is put in above.
 */
export function useScroll(version: unknown, shown: boolean, wantOlder: () => void): { box: RefObject<HTMLDivElement | null>; list: RefObject<HTMLDivElement | null>; atEnd: boolean; toEnd: () => void; onScroll: () => void; around: string | null } {
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const anchor = useRef<{ element: Element; top: number } | null>(null);
  const [atEnd, setAtEnd] = useState(true);
  const middle = useRef<string | null>(null);
  const last = useRef(-Infinity);
  const [around, setAround] = useState<string | null>(null);

  const remember = useCallback((): void => {
    const [frame, lines] = [box.current, list.current];
    if (!frame || !lines) return;
    const top = frame.getBoundingClientRect().top;
    let element = firstBelow(lines.children, top);
    // What stands above the first line stays there when older lines come in below it: it is nothing to hold on to.
    if (element?.matches(".chat-note")) element = element.nextElementSibling;
    if (element instanceof HTMLElement && element.matches(".chunk")) {
      const { key = null } = element.dataset;
      middle.current = key;
      element = firstBelow(element.children, top) ?? element;
    }
    anchor.current = element ? { element, top: element.getBoundingClientRect().top } : null;
  }, []);

  const settle = useCallback((): void => {
    const frame = box.current;
    if (!frame) return;
    if (following.current) frame.scrollTop = frame.scrollHeight;
    else if (anchor.current?.element.isConnected) {
      const moved = anchor.current.element.getBoundingClientRect().top - anchor.current.top;
      if (Math.abs(moved) >= 1) frame.scrollTop += moved;
    }
    remember();
  }, [remember]);

  const onScroll = useCallback((): void => {
    const frame = box.current;
    if (!frame) return;
    const end = frame.scrollHeight - frame.scrollTop - frame.clientHeight < NEAR;
    following.current = end;
    setAtEnd(end);
    remember();
    // Not with every chunk: what is kept in the page around the reader reaches much further.
    const bucket = Number.parseInt(middle.current ?? "", 10);
    if (Math.abs(bucket - last.current) > AROUND) {
      last.current = bucket;
      setAround(middle.current);
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
  return { box, list, atEnd, toEnd, onScroll, around: atEnd ? null : around };
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
