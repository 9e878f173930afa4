import { type RefCallback, memo } from "react";
import type { Rows } from "../../hub/feed";
import type { Item, Me, Turn } from "../../protocol/generated";
import { type Chunk, alike } from "../../session/chunks";
import type { Entry } from "../../session/entries";
import { Line } from "./Line";
import type { Seat } from "../../session/participants";
import type { Asked } from "./TurnWays";

/** A line and what it is drawn with. */
export interface Row {
  line: Entry;
  /** The turn that it belongs to, when it is known. */
  turn: Turn | undefined;
  /** For a prompt: the turn that it came with, which another one may have taken in. */
  prompt: Turn | undefined;
  /** For the end of a turn: what it was asked. */
  asked: Asked | null;
  /** For an approval: the tool call that waits for it. */
  call: Item | undefined;
  /** For a prompt that waits: its place in the line. */
  place: number | null;
  /** For one that another prompt waits before: the turn of that. */
  ahead: string | null;
}

/** What all lines are drawn with. */
export interface Setting {
  /** As they were when a device got its name, or a message was sent again: of the rest nothing is drawn here. */
  rows: Rows;
  me: Me | null;
  /** What the reader is in this chat. */
  seat: Seat;
  agent: string;
  host: string;
  /** The beginning of this day, by the hub's clock. */
  today: number;
}

interface Props {
  chunk: Chunk<Row>;
  setting: Setting;
  /** Whether it is at the end, where it is always laid out. */
  last: boolean;
  /** How high it is until it is laid out, in pixels. */
  guess: number;
  /** Told of its element while that is in the page. */
  watch: RefCallback<HTMLElement>;
}

/**
 * Lines that stand together. What is far from the screen is neither laid out nor painted (`content-visibility`), and keeps the height
 * that it had: unlike lines that are taken out of the page it can still be found, read aloud and printed (docs/adr/0002, 0004).
 */
export const Lines = memo(
  function Lines({ chunk, setting, last, guess, watch }: Props) {
    return (
      <div ref={watch} className={last ? "chunk" : "chunk chunk-far"} data-key={chunk.key} style={{ containIntrinsicBlockSize: `auto ${guess}px` }}>
        {chunk.rows.map((row) => (
          <div key={`${row.line.kind} ${row.line.id}`} className="line" data-place={row.line.ord} tabIndex={-1}>
            <Line {...row} {...setting} now={setting.today} />
          </div>
        ))}
      </div>
    );
  },
  (a, b) => {
    if (a.last !== b.last || a.setting !== b.setting || a.chunk.rows.length !== b.chunk.rows.length) return false;
    return a.chunk === b.chunk || a.chunk.rows.every((row, at) => alike(row, b.chunk.rows[at] ?? row));
  },
);
