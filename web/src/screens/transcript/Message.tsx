import { memo } from "react";
import { Mark, type Shape } from "../../parts/Mark";
import { Attachments } from "../../parts/Attachments";
import type { Attachment } from "../../protocol/generated";
import type { Delivery } from "../../session/pending";
import { words } from "../../words";

const SHAPES: Record<Delivery, Shape> = { here: "waiting", hub: "queued", queued: "queued", agent: "agent", done: "done", failed: "failed", stopped: "failed", unknown: "waiting", held: "waiting", refused: "failed" };

const NONE: readonly Attachment[] = [];

interface Props {
  text: string;
  person: string;
  device: string;
  time: string;
  delivery: Delivery;
  /** Who or what it waits for: the machine, or whose chat it is. */
  host: string;
  /** The files that came with it. */
  attachments?: readonly Attachment[];
  /** Whether it is another try of a message that came to nothing. */
  again?: boolean;
  children?: React.ReactNode;
}

/** What a person said, with one small mark that tells how far it got. */
export const Message = memo(function Message({ text, person, device, time, delivery, host, attachments = NONE, again = false, children }: Props) {
  const said = delivery === "hub" || delivery === "held" ? words.delivery[delivery](host) : words.delivery[delivery];
  // What is on its way or went wrong is said; what went well is a mark, and its word is there for those who do not see it.
  const quiet = delivery === "done" || delivery === "agent";
  return (
    <article className="message" data-delivery={delivery}>
      <header className="message-head">
        <span className="message-who">{person}</span>
        {device === "" ? null : <span className="message-device">{device}</span>}
        {again ? <span className="message-device message-again">{words.delivery.sentAgain}</span> : null}
        <span className="message-state">
          {quiet ? null : <span className="message-said">{said}</span>}
          <time>{time}</time>
          <Mark shape={SHAPES[delivery]} word={quiet ? said : undefined} />
        </span>
      </header>
      {text === "" ? null : <div className="message-text">{text}</div>}
      <Attachments list={attachments} />
      {children}
    </article>
  );
});
