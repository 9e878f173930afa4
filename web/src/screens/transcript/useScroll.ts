import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";

/** Within how many pixels of the end the reader counts as being there. */
const NEAR = 48;
/** How many pixels before the top older pages are fetched. */
const EARLY = 900;

/**
 * Keeps the reader's position: at the end it follows what is said; anywhere else what the reader looks at stays where it is,
 * whatever grows, shrinks or is put in above.
 */
export function useScroll(version: unknown, shown: boolean, wantOlder: () => void): { box: RefObject<HTMLDivElement | null>; list: RefObject<HTMLDivElement | null>; atEnd: boolean; toEnd: () => void; onScroll: () => void } {
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const anchor = useRef<{ element: Element; top: number } | null>(null);
  const [atEnd, setAtEnd] = useState(true);

  const remember = useCallback((): void => {
    const [frame, lines] = [box.current, list.current];
    if (!frame || !lines) return;
    const top = frame.getBoundingClientRect().top;
    const { children } = lines;
    let [low, high] = [0, children.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((children[middle]?.getBoundingClientRect().bottom ?? 0) > top) high = middle;
      else low = middle + 1;
    }
    // What stands above the first line stays there when older lines come in below it: it is nothing to hold on to.
    const element = children[low]?.matches(".chat-note") ? children[low + 1] : children[low];
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
    // The keyboard of a phone, a turned screen, a card that opens: the box or its content changed without a new version.
    const observer = new ResizeObserver(() => {
      if (following.current) frame.scrollTop = frame.scrollHeight;
      else remember();
    });
    observer.observe(frame);
    observer.observe(lines);
    return () => observer.disconnect();
  }, [remember, shown]);
  return { box, list, atEnd, toEnd, onScroll };
}
