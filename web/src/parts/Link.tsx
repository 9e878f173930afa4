import type { MouseEvent, ReactNode } from "react";
import { type Route, go, href } from "../app/router";

interface Props {
  to: Route;
  className?: string;
  label?: string;
  current?: boolean;
  children: ReactNode;
}

/** A link to a screen: a real one, that goes there without loading the page anew. */
export function Link({ to, className, label, current, children }: Props) {
  const click = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={href(to)} className={className} aria-label={label} aria-current={current ? "page" : undefined} onClick={click}>
      {children}
    </a>
  );
}
