import "./mark.css";

/** Shapes for states: each differs in form, not only in colour. */
export type Shape = "needs" | "working" | "waiting" | "unread" | "idle" | "dead" | "done" | "failed" | "queued" | "agent" | "online" | "barred";

/** A small shape for a state; the word goes with it, seen or unseen. */
export function Mark({ shape, word }: { shape: Shape; word?: string }) {
  return (
    <span className={`mark mark-${shape}`}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        {draw(shape)}
      </svg>
      {word === undefined ? null : <span className="unseen">{word}</span>}
    </span>
  );
}

function draw(shape: Shape) {
  const ring = { fill: "none", stroke: "currentColor", strokeWidth: 1.75 } as const;
  switch (shape) {
    case "needs":
      return <path d="M6 0.5L11.5 6L6 11.5L0.5 6Z" fill="currentColor" />;
    case "working":
    case "agent":
    case "online":
      return <circle cx="6" cy="6" r="4.5" fill="currentColor" />;
    case "waiting":
      return <circle cx="6" cy="6" r="4.25" {...ring} strokeDasharray="2.4 2" />;
    case "unread":
      return (
        <>
          <circle cx="6" cy="6" r="4.25" {...ring} />
          <circle cx="6" cy="6" r="2" fill="currentColor" />
        </>
      );
    case "queued":
    case "idle":
      return <circle cx="6" cy="6" r="4.25" {...ring} />;
    case "barred":
      return (
        <>
          <circle cx="6" cy="6" r="4.75" {...ring} />
          <path d="M2.9 9.1L9.1 2.9" {...ring} />
        </>
      );
    case "done":
      return <path d="M1.5 6.5l3 3 6-7" {...ring} strokeLinecap="round" strokeLinejoin="round" />;
    case "dead":
    case "failed":
      return <path d="M2 2l8 8M10 2l-8 8" {...ring} strokeLinecap="round" />;
  }
}
