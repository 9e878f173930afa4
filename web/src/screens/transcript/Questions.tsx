import { type FormEvent, useState } from "react";
import type { Approval, ApprovalOption, Question } from "../../protocol/generated";
import { words } from "../../words";

interface Props {
  approval: Approval;
  /** The answers that are the reader's to give. */
  options: readonly ApprovalOption[];
  busy: boolean;
  /** Set while it takes no answer yet. */
  hushed: true | undefined;
  answer(option: ApprovalOption, message: string | null, answers: Record<string, string>): void;
}

/** The agent's questions, each with the answers that it offers and room for another one. */
export function Questions({ approval, options, busy, hushed, answer }: Props) {
  const { questions, labels } = approval.content;
  const [chosen, setChosen] = useState<Record<string, string[]>>({});
  const [own, setOwn] = useState<Record<string, string>>({});
  const send = options.find((option) => option.kind === "answer" || option.kind === "allow_once");
  const deny = options.find((option) => option.kind === "deny");
  // A question without questions of its own is answered by one of its options.
  if (questions.length === 0) {
    return (
      <div className="approval-always">
        {options.map((option) => (
          <button key={option.id} type="button" className={option.kind === "deny" ? "button button-wide" : "button button-primary button-wide"} data-key={option.kind === "deny" ? "d" : undefined} disabled={busy} aria-disabled={hushed} onClick={() => answer(option, null, {})}>
            {labels[approval.options.indexOf(option)] ?? option.id}
          </button>
        ))}
      </div>
    );
  }
  const said = (question: Question): string => [...(chosen[question.question] ?? []), (own[question.question] ?? "").trim()].filter((part) => part !== "").join(", ");
  const whole = questions.every((question) => said(question) !== "");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (send && whole) answer(send, null, Object.fromEntries(questions.map((question) => [question.question, said(question)])));
  };
  const choose = ({ question, multiple }: Question, label: string, on: boolean): void => {
    const before = chosen[question] ?? [];
    const next = multiple ? (on ? [...before, label] : before.filter((each) => each !== label)) : on ? [label] : [];
    setChosen({ ...chosen, [question]: next });
    if (!multiple) setOwn({ ...own, [question]: "" });
  };
  return (
    <form className="questions" data-unkept={questions.some((question) => said(question) !== "") ? "" : undefined} onSubmit={submit}>
      {questions.map((question) => (
        <fieldset key={question.question} className="field">
          <legend className="question">{question.question}</legend>
          <div className="choices">
            {question.options.map((option) => (
              <label key={option.label} className="choice">
                <input
                  type={question.multiple ? "checkbox" : "radio"}
                  name={question.question}
                  checked={chosen[question.question]?.includes(option.label) ?? false}
                  disabled={busy || !send}
                  onChange={(event) => choose(question, option.label, event.target.checked)}
                />
                <span className="choice-name">{option.label}</span>
                <span className="choice-note">{option.description}</span>
              </label>
            ))}
          </div>
          <label>
            <span className="unseen">{words.approval.other}</span>
            <input
              className="input"
              placeholder={words.approval.other}
              value={own[question.question] ?? ""}
              disabled={busy || !send}
              onChange={(event) => {
                setOwn({ ...own, [question.question]: event.target.value });
                if (!question.multiple) setChosen({ ...chosen, [question.question]: [] });
              }}
            />
          </label>
        </fieldset>
      ))}
      <div className="approval-buttons">
        {deny ? (
          <button type="button" className="button" data-key="d" disabled={busy} aria-disabled={hushed} onClick={() => answer(deny, null, {})}>
            {words.approval.deny}
          </button>
        ) : null}
        {send ? (
          <button type="submit" className="button button-primary" disabled={busy || !whole} aria-disabled={hushed}>
            {words.approval.answer}
          </button>
        ) : null}
      </div>
    </form>
  );
}
