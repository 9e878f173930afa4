import { useEffect, useId, useRef, useState } from "react";
import { useHub, useRows } from "../../app/context";
import { go, route } from "../../app/router";
import { ApiError } from "../../hub/api";
import { useStore } from "../../hub/store";
import { LIMITS, type Session } from "../../protocol/generated";
import { edits } from "../../session/edits";
import { words } from "../../words";
import { Exporting, type Format } from "./Exporting";
import { useSeat } from "../sharing/useSeat";
import { asked, done, sharing } from "./asked";
import "./actions.css";

type Step = "menu" | "rename" | "remove" | "leave" | Format;

/** The menu of a chat, while it is open. */
export function Actions() {
  const session = useStore(asked);
  const row = useRows().session.get(session ?? "");
  // A chat that is deleted somewhere takes its menu along.
  useEffect(() => {
    if (session !== null && !row) asked.set(null);
  }, [session, row]);
  return session !== null && row ? <Sheet key={session} id={session} session={row} /> : null;
}

function Sheet({ id, session }: { id: string; session: Session }) {
  const hub = useHub();
  const rows = useRows();
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [step, setStep] = useState<Step>("menu");
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState("");
  const title = session.content.title || words.sessions.untitled;
  const me = useStore(hub.me);
  const seat = useSeat(id);
  const owns = seat.role === "owner";
  const may = owns && (me?.about.rights.includes("prompt") ?? false);
  // Only a hub without a machine of its own has accounts beside this one.
  const shares = owns && me?.host === null && me.about.rights.includes("manage");
  useEffect(() => {
    const box = dialog.current;
    box?.showModal();
    return () => box?.close();
  }, []);

  // The button that led to the next step is gone: the focus goes to what that step is about.
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (step !== "menu" && step !== "rename") head.current?.focus();
  }, [step]);

  // At once, and not with the event of closing, which comes later: by then the same menu may have been opened again.
  const shut = useRef(false);
  const close = (): void => {
    if (shut.current) return;
    shut.current = true;
    dialog.current?.close();
    asked.set(null);
  };

  const act = async (call: () => Promise<void>, then: () => void): Promise<void> => {
    setBusy(true);
    setFailed("");
    try {
      await call();
      close();
      then();
    } catch (error) {
      setBusy(false);
      setFailed(error instanceof ApiError ? words.actions.failedBecause(words.error(error.problem.code)) : words.actions.failed);
    }
  };
  const put = (archived: boolean): Promise<void> => hub.api.editSession(id, { title: null, archived });
  const archive = (archived: boolean): void =>
    void act(
      () => put(archived),
      () => {
        const text = archived ? words.actions.archived(title) : words.actions.restored(title);
        // Undone from afar and later: what goes wrong then is said in the same place.
        const undo = (): void => void put(!archived).then(() => done.set(null), () => done.set({ text: words.actions.failed, undo: null }));
        done.set({ text, undo });
        leave(id);
      },
    );
  const remove = (): void =>
    void act(
      () => hub.api.deleteSession(id),
      () => {
        hub.drafts.set(id, "");
        for (const [message] of edits.of(hub.kept, id)) edits.set(hub.kept, id, message, null);
        done.set({ text: words.actions.removed(title), undo: null });
        leave(id);
      },
    );
  const leaveIt = (): void =>
    void act(
      () => hub.api.removeParticipant(id, me?.account ?? ""),
      () => {
        // Before the lists have heard of it: what follows is no surprise to whoever asked for it.
        leave(id);
        done.set({ text: words.sharing.left(title), undo: null });
      },
    );
  const showSharing = (): void => {
    close();
    sharing.set(id);
  };
  const host = rows.host.get(session.host)?.content;
  const agent = host?.agents.find((each) => each.id === session.agent)?.name ?? session.agent;

  return (
    <dialog ref={dialog} className="sheet" aria-labelledby={heading} onClose={close} onClick={(event) => (event.target === dialog.current ? close() : undefined)}>
      <div className="sheet-body">
        <h2 ref={head} tabIndex={-1} id={heading} className="sheet-title">
          {step === "remove" ? words.actions.removeTitle : step === "leave" ? words.sharing.leaveTitle : words.actions.title(title)}
        </h2>
        {step === "menu" ? (
          <div className="sheet-menu">
            {shares ? <Choice text={words.sharing.share} act={showSharing} /> : null}
            {owns ? null : <Choice text={words.sharing.people} act={showSharing} />}
            {may ? <Choice text={words.actions.rename} act={() => setStep("rename")} /> : null}
            {may ? <Choice text={session.archivedAtMs === null ? words.actions.archive : words.actions.restore} busy={busy} act={() => archive(session.archivedAtMs === null)} /> : null}
            <Choice text={words.actions.exportMarkdown} act={() => setStep("markdown")} />
            <Choice text={words.actions.exportJson} act={() => setStep("json")} />
            {may ? <Choice text={words.actions.remove} bad act={() => setStep("remove")} /> : null}
            {owns ? null : <Choice text={words.sharing.leave} bad act={() => setStep("leave")} />}
          </div>
        ) : null}
        {step === "rename" ? <Rename title={session.content.title} busy={busy} save={(name) => void act(() => hub.api.editSession(id, { title: name, archived: null }), () => {})} /> : null}
        {step === "remove" ? (
          <>
            <p>{words.actions.removeHere}</p>
            <p>{words.actions.removeStays(agent, host?.name ?? "")}</p>
            <p>{words.actions.removeForGood}</p>
            <button type="button" className="button button-wide button-bad" disabled={busy} onClick={remove}>
              {words.actions.removeYes}
            </button>
            <button type="button" className="button button-wide" disabled={busy} onClick={() => setStep("markdown")}>
              {words.actions.removeFirst}
            </button>
          </>
        ) : null}
        {step === "leave" ? (
          <>
            <p>{words.sharing.leaveText(seat.owner)}</p>
            <button type="button" className="button button-wide button-bad" disabled={busy} onClick={leaveIt}>
              {words.sharing.leaveYes}
            </button>
          </>
        ) : null}
        {step === "markdown" || step === "json" ? <Exporting key={step} id={id} session={session} format={step} /> : null}
        {failed === "" ? null : (
          <p className="sheet-failed small" role="alert">
            {failed}
          </p>
        )}
        <button type="button" className="button button-wide" onClick={close}>
          {step === "markdown" || step === "json" ? words.close : words.cancel}
        </button>
      </div>
    </dialog>
  );
}

/** Whoever looks at a chat that goes from the list is brought back to the list. */
function leave(session: string): void {
  const here = route.get();
  if (here.screen === "session" && here.session === session) go({ screen: "sessions" }, true);
}

function Choice({ text, act, busy = false, bad = false }: { text: string; act: () => void; busy?: boolean; bad?: boolean }) {
  return (
    <button type="button" className={bad ? "sheet-choice button-bad" : "sheet-choice"} disabled={busy} onClick={act}>
      {text}
    </button>
  );
}

function Rename({ title, busy, save }: { title: string; busy: boolean; save: (title: string) => void }) {
  const [text, setText] = useState(title);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const name = text.trim();
  return (
    <form
      className="sheet-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (name !== "") save(name);
      }}
    >
      <label className="field">
        <span className="field-label">{words.actions.renameLabel}</span>
        <input ref={field} className="input" value={text} maxLength={LIMITS.maxNameChars} autoComplete="off" enterKeyHint="done" onChange={(event) => setText(event.target.value)} />
      </label>
      <button type="submit" className="button button-primary button-wide" disabled={busy || name === ""}>
        {words.actions.save}
      </button>
    </form>
  );
}
