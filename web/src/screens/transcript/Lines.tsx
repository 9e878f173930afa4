import { memo } from "react";
import type { Rows } from "../../hub/feed";
import type { Item, Me, Turn } from "../../protocol/generated";
import { type Chunk, alike } from "../../session/chunks";
import type { Entry } from "../../session/entries";
import { Line } from "./Line";
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
  /** As they were when a device got its name: of the rest nothing is drawn here. */
  rows: Rows;
  me: Me | null;
  agent: string;
  host: string;
  /** The beginning of this day, by the hub's clock. */
  today: number;
}

/**
 * Where a chunk is from the reader: `near` the end, where it is always laid out; `far`, in the page but laid out only when it is about
 * to be seen; `away`, thousands of lines off, where only its height is left of it.
 */
export type Where = "near" | "far" | "away";

interface Props {
  chunk: Chunk<Row>;
  setting: Setting;
  where: Where;
}

/** Height of a line that was never laid out, in pixels: a folded card with the gap below it. It is forgotten once a chunk was seen. */
const LINE_PX = 62;

/**
 * Lines that stand together. What is far from the screen is neither laid out nor painted (`content-visibility`), and keeps the height
 * that it had: unlike lines that are taken out of the page it can still be found, read aloud and printed (docs/adr).
 */
export const Lines = memo(
  function Lines({ chunk, setting, where }: Props) {
    return (
      <div className={where === "near" ? "chunk" : "chunk chunk-far"} data-key={chunk.key} style={{ containIntrinsicBlockSize: `auto ${chunk.rows.length * LINE_PX}px` }}>
        {where === "away"
          ? null
          : chunk.rows.map((row) => (
              <div key={`${row.line.kind} ${row.line.id}`} className="line" data-place={row.line.ord} tabIndex={-1}>
                <Line {...row} {...setting} now={setting.today} />
              </div>
            ))}
      </div>
    );
  },
  (a, b) => {
    if (a.where !== b.where || a.chunk.rows.length !== b.chunk.rows.length) return false;
    return a.where === "away" || (a.setting === b.setting && a.chunk.rows.every((row, at) => alike(row, b.chunk.rows[at] ?? row)));
  },
);
