import { type KeyboardEvent, useContext, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useHub, useRows } from "../../app/context";
import { useStore } from "../../hub/store";
import { Mark } from "../../parts/Mark";
import { Markdown } from "../../parts/Markdown";
import type { Approval, ApprovalOption, Item, Sender } from "../../protocol/generated";
import { words } from "../../words";
import { DiffView } from "./DiffView";
import { type Seat, answers, arranges } from "../../session/participants";
import { Questions } from "./Questions";
import { who } from "./people";
import { Still, useStill } from "./useStill";

/** What this device has answered and not yet seen in the journal. */
interface Answering {
  command: string;
  state: "sending" | "away" | "failed";
  error: string;
}

function useAnswering(approval: string): Answering | null {
  const hub = useHub();
  const rows = useRows();
  const sent = useStore(hub.sent);
  const [command, setCommand] = useState<string | null>(null);
  for (const [id, each] of sent) {
    if (each.request.body.kind !== "answer_approval" || each.request.body.approval !== approval) continue;
    if (command !== id) queueMicrotask(() => setCommand(id));
    if (each.phase === "refused") return { command: id, state: "failed", error: words.error(each.error ?? "internal") };
    return { command: id, state: each.phase === "here" ? "away" : "sending", error: "" };
  }
  const fact = command === null ? undefined : rows.command.get(command);
  if (command === null || !fact) return null;
  if (fact.state === "failed" || fact.state === "expired") {
    return { command, state: "failed", error: words.error(fact.error?.code ?? "expired") };
  }
  return { command, state: "sending", error: "" };
}

interface Props {
  /** What the reader is in this chat, and so which of the answers are theirs to give. */
  seat: Seat;
  id: string;
  approval: Approval;
  /** The tool call that waits: an edit is shown as it will be made, not only by its path. */
  call: Item | undefined;
  /** Who asked for the turn; null when the agent went on by itself. */
  sender: Sender | null;
  agent: string;
  host: string;
}

/** A decision that the agent waits for: exactly what will be done, and where; then the answers. */
export function ApprovalCard({ seat, id, approval, call, sender, agent, host }: Props) {
  const rows = useRows();
  const me = useStore(useHub().me);
  // Who had the focus in the card keeps it when the card settles; who answered it here is told when another answer was faster.
  const settled = useRef<HTMLDivElement>(null);
  const held = useRef(false);
  const [mine, setMine] = useState<string | null>(null);
  const pending = approval.state === "pending";
  useLayoutEffect(() => {
    if (!pending && held.current && (document.activeElement === null || document.activeElement === document.body)) settled.current?.focus({ preventScroll: true });
    if (!pending) held.current = false;
  }, [pending]);
  if (approval.state !== "pending") {
    const allowed = approval.options.find((option) => option.id === approval.decision?.option)?.kind.startsWith("allow") ?? false;
    const denied = approval.options.find((option) => option.id === approval.decision?.option)?.kind.startsWith("deny") ?? false;
    const states = words.approval.states;
    const what = approval.state === "answered" ? (allowed ? states.allowed : denied ? states.denied : states.answered) : states[approval.state];
    const via = approval.decision?.via ?? "person";
    const by = approval.decision && via === "person" ? who(approval.decision.by, rows, me, approval.session) : null;
    const said = via === "rule" ? words.approval.byRule(what) : via === "policy" ? words.approval.byPolicy(what) : by ? words.approval.by(what, [by.person, by.device].filter(Boolean).join(" · ")) : what;
    const other = approval.decision !== null && (approval.decision.by.device !== me?.device || approval.decision.option !== mine);
    const late = mine === null ? "" : approval.state !== "answered" ? words.approval.tooLate : other ? words.approval.late : "";
    return (
      <div ref={settled} tabIndex={-1} className="settled-approval" data-approval={id} data-state={approval.state}>
        <Mark shape={allowed ? "done" : denied ? "failed" : "idle"} />
        <span className="settled-approval-what">{said}</span>
        <span className="settled-approval-title">{approval.content.title}</span>
        {approval.content.because ? (
          <span className="settled-approval-late">
            <Scope text={approval.content.because} />
          </span>
        ) : null}
        {late === "" ? null : (
          <span className="settled-approval-late" role="status">
            {late}
          </span>
        )}
      </div>
    );
  }
  return (
    <div onFocus={() => (held.current = true)} onBlur={(event) => (held.current = event.relatedTarget === null && held.current)}>
      <Pending seat={seat} id={id} approval={approval} call={call} sender={sender} agent={agent} host={host} answered={setMine} />
    </div>
  );
}

/** What is allowed for longer, and how long: what stands in backquotes runs as it is written. */
function Scope({ text }: { text: string }) {
  return (
    <span>
      {text.split(/`([^`]+)`/).map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}
    </span>
  );
}

/** Whether a text is no more than the files of the edits, which stand above each of them anyway. */
function saysOnlyWhere(text: string, edits: readonly { path: string }[]): boolean {
  const files = text.split("\n");
  return files.length === edits.length && edits.every((edit, at) => files[at] === edit.path || files[at]?.endsWith(`/${edit.path}`));
}

/** Enter that is held presses a button again and again: for an answer, once is what was meant. */
function once(event: KeyboardEvent): void {
  if (event.repeat && event.key === "Enter" && event.target instanceof HTMLButtonElement) event.preventDefault();
}

function Pending({ seat, id, approval, call, sender, agent, host, answered }: Props & { answered: (option: string) => void }) {
  const hub = useHub();
  const rows = useRows();
  const me = useStore(hub.me);
  const options = approval.options.filter((option) => answers(seat, option));
  const may = (me?.about.rights.includes("approve") ?? false) && options.length > 0;
  const answering = useAnswering(id);
  const busy = answering !== null && answering.state !== "failed";
  const { content } = approval;
  const label = (option: ApprovalOption): string => content.labels[approval.options.indexOf(option)] ?? "";
  const first = (kind: ApprovalOption["kind"]): ApprovalOption | undefined => options.find((option) => option.kind === kind);
  const allow = first("allow_once");
  const deny = first("deny") ?? first("deny_always");
  const rules = options.filter((option) => option.kind === "allow_rule");
  const others = options.filter((option) => option !== allow && option !== deny && option.kind !== "allow_rule");
  const { danger } = content;
  // What is dangerous takes a second tap, and stands where no thumb rests.
  const [sure, setSure] = useState(false);
  const [more, setMore] = useState(allow === undefined && seat.role === "owner");
  // What is asked has changed under the finger: what was meant for it is void.
  useEffect(() => setSure(false), [content.shown]);
  // No answer right after a question came, went or changed, or after the first tap of two. The buttons look as ever: nothing flickers.
  const calm = useContext(Still);
  const settled = useStill(sure ? `sure ${content.shown}` : "");
  const still = calm && settled;
  const hushed = still ? undefined : true;
  const edits = call?.content.kind === "tool_call" ? call.content.diffs : [];
  const [reason, setReason] = useState<string | null>(null);
  const card = useRef<HTMLElement>(null);
  const session = rows.session.get(approval.session);

  const answer = (option: ApprovalOption, message: string | null = null, answers: Record<string, string> = {}): void => {
    if (busy || !still || !session) return;
    if (answering) hub.forget(answering.command);
    answered(option.id);
    hub.post(session.host, { kind: "answer_approval", session: approval.session, approval: id, option: option.id, content: { message, answers, shown: approval.content.shown } });
  };
  useEffect(() => {
    if (reason !== null) card.current?.querySelector("textarea")?.focus();
  }, [reason !== null]);

  // Words with a refusal are a prompt to the agent, which only the owner and whom it trusts may send unasked.
  const says = arranges(seat);
  // What looks as if it needed the reader needs the reader.
  const mine = arranges(seat);
  const asker = sender === null ? null : who(sender, rows, me, approval.session);
  const about = [agent, words.approval.where(content.place, host), asker === null ? "" : words.approval.behalf(asker.person, asker.device)].filter((part) => part !== "");
  return (
    <section ref={card} tabIndex={-1} className={mine ? "approval" : "approval approval-calm"} aria-label={content.title} data-approval={id} data-state="pending" onKeyDown={once}>
      <header className="approval-head">
        <Mark shape={mine ? "needs" : "waiting"} word={mine ? words.sessions.states.needs : words.sharing.waitsForOwner(seat.owner)} />
        <div>
          <h2 className="approval-title">{content.title || words.approval[approval.kind]}</h2>
          <p className="small soft">{about.join(" · ")}</p>
        </div>
      </header>
      {content.detail === "" || saysOnlyWhere(content.detail, edits) ? null : approval.kind === "plan" ? (
        <div className="approval-plan" tabIndex={0}>
          <Markdown text={content.detail} growing={false} />
        </div>
      ) : (
        <pre className="approval-detail" tabIndex={0} aria-label={words.approval.exactly}>
          {content.detail}
        </pre>
      )}
      {content.leftOutBytes ? (
        <p className="approval-left-out" role="note">
          {words.approval.leftOut(words.size(content.leftOutBytes))}
        </p>
      ) : null}
      {edits.length > 0 ? (
        <div className="approval-edits">
          {edits.map((edit, at) => (
            // the edits of a call are named by their place
            <DiffView key={at} edit={edit} whole />
          ))}
        </div>
      ) : null}
      {danger ? (
        <div className="approval-danger" role="note">
          <p>{words.approval.danger(danger)}</p>
          {allow && may ? (
            <button type="button" className="button button-bad" data-key={sure ? undefined : "a"} disabled={busy} aria-disabled={hushed} onClick={() => (sure ? answer(allow) : still ? setSure(true) : undefined)}>
              {sure ? words.approval.dangerSure(danger) : words.approval.dangerAllow}
            </button>
          ) : null}
        </div>
      ) : null}
      {content.because ? (
        <p className="small soft">
          <Scope text={content.because} />
        </p>
      ) : null}
      {content.reason ? (
        <p className="small">
          <span className="soft">{words.approval.why}: </span>
          {content.reason}
        </p>
      ) : null}
      {answering?.state === "failed" ? (
        <p className="approval-failed small" role="alert">
          {answering.error}
        </p>
      ) : null}
      {busy ? (
        <p className="small soft" role="status">
          {answering?.state === "away" && hub.socket.connection.get().state !== "live" ? words.approval.waitingForHub : words.approval.sending}
        </p>
      ) : null}
      {may && seat.role === "editor" ? <p className="small soft">{words.sharing.answersDeny(seat.owner)}</p> : null}
      {!may ? (
        <p className="small soft">{seat.role === "owner" ? words.error("forbidden") : words.sharing.answersOwner(seat.owner)}</p>
      ) : approval.kind === "question" ? (
        <Questions approval={approval} options={options} busy={busy} hushed={hushed} answer={answer} />
      ) : reason !== null && deny && says ? (
        <form
          className="approval-reason"
          data-unkept={reason.trim() === "" ? undefined : ""}
          onSubmit={(event) => {
            event.preventDefault();
            answer(deny, reason.trim() === "" ? null : reason);
          }}
        >
          <label className="field">
            <span className="field-label">{words.approval.denyWhyLabel}</span>
            <textarea className="input" rows={2} value={reason} onChange={(event) => setReason(event.target.value)} />
          </label>
          <div className="approval-buttons">
            <button type="button" className="button" onClick={() => setReason(null)}>
              {words.cancel}
            </button>
            <button type="submit" className="button button-bad" data-key="d" disabled={busy} aria-disabled={hushed}>
              {words.approval.deny}
            </button>
          </div>
        </form>
      ) : (
        <>
          <div className="approval-buttons">
            {deny ? (
              <button type="button" className="button" data-key="d" disabled={busy} aria-disabled={hushed} onClick={() => answer(deny)}>
                {words.approval.deny}
              </button>
            ) : null}
            {allow && !danger ? (
              <button type="button" className="button button-primary" data-key="a" disabled={busy} aria-disabled={hushed} onClick={() => answer(allow)}>
                {words.approval.allow}
              </button>
            ) : null}
          </div>
          {more && !busy ? (
            <div className="approval-always">
              {rules.length > 0 ? <p className="small soft">{words.approval.rulesTitle}</p> : null}
              {rules.map((option) => (
                <button key={option.id} type="button" className="button button-wide" data-rule-option disabled={busy} aria-disabled={hushed} onClick={() => answer(option)}>
                  <Scope text={label(option)} />
                </button>
              ))}
              {rules.length > 0 ? <p className="small soft">{words.approval.rulesNote}</p> : null}
              {others.length > 0 && others.every((option) => option.kind === "allow_always") ? <p className="small soft">{rules.length > 0 ? words.approval.agentTitle : words.approval.alwaysTitle}</p> : null}
              {others.map((option) => (
                <button key={option.id} type="button" className="button button-wide" disabled={busy} aria-disabled={hushed} onClick={() => answer(option)}>
                  <Scope text={label(option)} />
                </button>
              ))}
            </div>
          ) : null}
          <div className="approval-more" hidden={busy}>
            {deny && says ? (
              <button type="button" className="button button-plain small" onClick={() => setReason("")}>
                {words.approval.denyWhy}
              </button>
            ) : null}
            {others.length + rules.length > 0 && !more ? (
              <button type="button" className="button button-plain small" aria-expanded={more} onClick={() => setMore(true)}>
                {others.every((option) => option.kind === "allow_always") ? words.approval.always : words.approval.more}
              </button>
            ) : null}
          </div>
        </>
      )}
    </section>
  );
}
