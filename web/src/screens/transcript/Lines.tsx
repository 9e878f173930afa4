import { memo } from "react";
import type { Rows } from "../../hub/feed";
import type { Item, Me, Turn } from "../../protocol/generated";
import { type Chunk, type Reach, alike } from "../../session/chunks";
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
 * Where lines are from the reader: at the `end`, where what grows and what waits for an answer is, the last of them always laid out;
 * `kept` in the page, laid out when they are about to be seen; `away`, thousands of lines off, where only their height is left.
 */
export type Where = "end" | "kept" | "away";

/** Height of a line that was never laid out, in pixels: a folded card with the gap below it. It is forgotten once a chunk was seen. */
const LINE_PX = 62;
/** Chunks at the end that are always laid out. */
const LAST_CHUNKS = 2;

interface ReachProps {
  reach: Reach<Row>;
  setting: Setting;
  where: Where;
}

/**
 * Chunks that stand together. The browser looks for every box that it may pass over (`content-visibility`) in every frame whether it is
 * about to be seen: of a long chat that look alone took longer than a frame has. So only the chunks around the reader are such boxes, and
 * elsewhere the reaches are (docs/adr/0004).
 */
export const Stretch = memo(function Stretch({ reach, setting, where }: ReachProps) {
  const lines = reach.chunks.reduce((sum, chunk) => sum + chunk.rows.length, 0);
  const last = reach.chunks.length - LAST_CHUNKS;
  return (
    <div className={where === "end" ? "reach" : where === "kept" ? "reach passed" : "reach passed undrawn"} data-key={reach.key} style={where === "end" ? undefined : height(lines)}>
      {where === "away" ? null : reach.chunks.map((chunk, at) => <Lines key={chunk.key} chunk={chunk} setting={setting} passed={where === "kept" || at < last} />)}
    </div>
  );
});

interface Props {
  chunk: Chunk<Row>;
  setting: Setting;
  /** Whether it is neither laid out nor painted while it is far from the screen. */
  passed: boolean;
}

/**
 * Lines that stand together. Far from the screen they are neither laid out nor painted, and keep the height that they had: unlike lines
 * that are taken out of the page they can still be found, read aloud and printed (docs/adr/0002).
 */
const Lines = memo(
  function Lines({ chunk, setting, passed }: Props) {
    return (
      <div className={passed ? "chunk passed" : "chunk"} style={height(chunk.rows.length)}>
        {chunk.rows.map((row) => (
          <div key={`${row.line.kind} ${row.line.id}`} className="line" data-place={row.line.ord} tabIndex={-1}>
            <Line {...row} {...setting} now={setting.today} />
          </div>
        ))}
      </div>
    );
  },
  (a, b) => {
    if (a.passed !== b.passed || a.setting !== b.setting) return false;
    return a.chunk === b.chunk || (a.chunk.rows.length === b.chunk.rows.length && a.chunk.rows.every((row, at) => alike(row, b.chunk.rows[at] ?? row)));
  },
);

/** The height of so many lines until it is known; then what it was is remembered. */
function height(lines: number): { containIntrinsicBlockSize: string } {
  return { containIntrinsicBlockSize: `auto ${lines * LINE_PX}px` };
}
