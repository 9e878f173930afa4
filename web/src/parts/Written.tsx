import type { ReactNode } from "react";
import { type Line, SignDrawing } from "./Sign";
import "./written.css";

interface Props {
  title: string;
  text?: string;
  line?: Line;
  children?: ReactNode;
}

/** An empty or broken state: what this is, why, and the one next step. */
export function Written({ title, text, line = "slack", children }: Props) {
  return (
    <div className="written">
      <SignDrawing line={line} size={66} />
      <h2 className="written-title">{title}</h2>
      {text === undefined ? null : <p className="soft">{text}</p>}
      {children}
    </div>
  );
}
