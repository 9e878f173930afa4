import type { ReactNode } from "react";
import { words } from "../words";
import { Icon } from "./Icon";
import { Link } from "./Link";
import "./page.css";

/** A screen with a title and the way back to the chats. */
export function Page({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="page">
      <header className="page-head">
        <Link to={{ screen: "sessions" }} className="button button-plain button-square page-back" label={words.back}>
          <Icon name="back" />
        </Link>
        <h1 className="page-title">{title}</h1>
      </header>
      <div className="page-body">{children}</div>
    </main>
  );
}
