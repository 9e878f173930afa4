import type { ReactNode } from "react";
import { Copy } from "./Copy";

/** A part of a card under its name, with a way to copy it. */
export function Labelled({ label, copy, children }: { label: string; copy?: string; children: ReactNode }) {
  return (
    <div className="labelled">
      <div className="labelled-head small soft">
        <span>{label}</span>
        {copy === undefined ? null : <Copy text={copy} what={label} />}
      </div>
      {children}
    </div>
  );
}
