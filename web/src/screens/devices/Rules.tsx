import { useMemo } from "react";
import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { Link } from "../../parts/Link";
import { Typed } from "../../parts/Typed";
import type { Rule } from "../../protocol/generated";
import { words } from "../../words";
import { ago, clock } from "../../words/time";
import { who } from "../transcript/people";
import { Confirm } from "./Confirm";

/** What was allowed for longer than once: on which machine, by whom, how often it was used, and the way to take it back. */
export function Rules({ now }: { now: number }) {
  const hub = useHub();
  const rows = useRows();
  const me = useStore(hub.me);
  const may = me?.about.rights.includes("approve") ?? false;
  const rules = useMemo(
    () => [...rows.rule].filter(([, rule]) => rule.expiresAtMs === null || rule.expiresAtMs > now).sort((a, b) => b[1].createdAtMs - a[1].createdAtMs),
    [rows.rule, now],
  );
  const about = (rule: Rule): string => {
    const maker = who(rule.by, rows, me);
    const parts = [
      rows.host.get(rule.host)?.content.name ?? "",
      words.rules.by([maker.person, maker.device].filter(Boolean).join(" · "), ago(rule.createdAtMs, now)),
      rule.usedAtMs === null ? words.rules.unused : words.rules.used(rule.uses, ago(rule.usedAtMs, now)),
      rule.expiresAtMs === null ? "" : words.rules.ends(clock(rule.expiresAtMs, now)),
    ];
    return parts.filter((part) => part !== "").join(" · ");
  };
  return (
    <section className="house-part" aria-labelledby="rules">
      <h2 id="rules">{words.rules.title}</h2>
      {rules.length === 0 ? <p className="soft">{words.rules.empty}</p> : null}
      <ul className="house-list">
        {rules.map(([id, rule]) => (
          <li key={id} className="house-row" data-rule={id}>
            <span className="house-what">
              <span>
                <Typed text={rule.content.words} />
              </span>
              <span className="small soft">{about(rule)}</span>
              {rule.session !== null && rows.session.has(rule.session) ? (
                <Link to={{ screen: "session", session: rule.session }} className="small">
                  {rows.session.get(rule.session)?.content.title ?? ""}
                </Link>
              ) : null}
            </span>
            {may ? (
              <Confirm
                button={words.rules.revoke}
                label={words.rules.revokeLabel(rule.content.words.replaceAll("`", ""))}
                title={words.rules.revokeTitle}
                texts={[rule.content.words.replaceAll("`", ""), words.rules.revokeText]}
                yes={words.rules.revoke}
                act={() => hub.api.revokeRule(id)}
              />
            ) : null}
          </li>
        ))}
      </ul>
    </section>
  );
}
