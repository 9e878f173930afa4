import { type ReactNode, useEffect, useRef } from "react";
import { words } from "../words";
import { Icon } from "./Icon";
import { Link } from "./Link";
import "./page.css";

/** A screen with a title and the way back to the chats. */
export function Page({ title, children }: { title: string; children: ReactNode }) {
  const head = useRef<HTMLHeadingElement>(null);
  // A screen that is fetched first comes later than the change of address: it takes the focus itself.
  useEffect(() => head.current?.focus({ preventScroll: true }), []);
  return (
    <main className="page">
      <header className="page-head">
        <Link to={{ screen: "sessions" }} className="button button-plain button-square page-back" label={words.back}>
          <Icon name="back" />
        </Link>
        <h1 ref={head} tabIndex={-1} className="page-title">{title}</h1>
      </header>
      <div className="page-body">{children}</div>
    </main>
  );
}
