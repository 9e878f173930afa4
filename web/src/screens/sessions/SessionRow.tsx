import { Icon } from "../../parts/Icon";
import { Link } from "../../parts/Link";
import { Mark } from "../../parts/Mark";
import { words } from "../../words";
import { ago } from "../../words/time";
import { asked } from "./asked";
import type { Row } from "./order";

/** One chat of the list: its state, its title, what happens in it, and behind a button what can be done with it. */
export function SessionRow({ row, current, now }: { row: Row; current: boolean; now: number }) {
  const state = row.dead ? "dead" : row.need === "rest" ? "idle" : row.need;
  const word = row.archived ? words.sessions.states.archived : words.sessions.states[state];
  return (
    <li className={row.made ? "session-line" : undefined}>
      <Link to={{ screen: "session", session: row.id }} className={`session session-${row.archived ? "rest" : row.need}`} current={current}>
        <Mark shape={row.archived ? "idle" : state} word={word} />
        <span className="session-title">{row.title}</span>
        <span className="session-time">{ago(row.atMs, now)}</span>
        <span className="session-doing">
          {row.unread > 0 && row.need === "unread" ? <b className="session-new">{words.sessions.unreadTurns(row.unread)} · </b> : null}
          {row.doing}
        </span>
      </Link>
      {row.made ? (
        <button type="button" className="button button-plain button-square session-more" aria-haspopup="dialog" aria-label={words.sessions.more(row.title)} onClick={() => asked.set(row.id)}>
          <Icon name="more" />
        </button>
      ) : null}
    </li>
  );
}
