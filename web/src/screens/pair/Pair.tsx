import { type FormEvent, useEffect, useMemo, useState } from "react";
import { Api } from "../../hub/api";
import { useStore } from "../../hub/store";
import { SignDrawing } from "../../parts/Sign";
import { words } from "../../words";
import { clock } from "../../words/time";
import { about, format, whole } from "./about";
import { Pairing, type Stage } from "./pairing";
import "./pair.css";

/** Enrols this device: by the secret that a QR code brought, or by a typed code. */
export function Pair({ secret }: { secret: string | null }) {
  const pairing = useMemo(() => new Pairing(new Api()), []);
  const device = useMemo(() => about(navigator.userAgent, navigator.maxTouchPoints), []);
  const stage = useStore(pairing.stage);
  const [code, setCode] = useState("");
  const [name, setName] = useState(device.name);
  useEffect(() => {
    if (secret !== null) void pairing.claim(secret, device.name, device.platform);
    return () => pairing.reset();
  }, [pairing, secret, device]);
  useEffect(() => {
    // The page starts from nothing, with the cookie: no state of before pairing is carried along.
    if (stage.at === "approved") location.replace("/");
  }, [stage]);

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (whole(code)) void pairing.claim(code, name.trim() || device.name, device.platform);
  };
  return (
    <main className="pair">
      <div className="pair-card">
        <SignDrawing line={stage.at === "approved" ? "taut" : stage.at === "refused" ? "broken" : "slack"} size={66} />
        {stage.at === "code" ? (
          <form className="pair-form" onSubmit={submit}>
            <h1 className="pair-title">{words.pair.title}</h1>
            <p className="soft">{words.pair.intro}</p>
            <p className="pair-how">
              <span className="small soft">{words.pair.how}</span>
              <code className="command">{words.pair.command}</code>
            </p>
            <label className="field">
              <span className="field-label">{words.pair.code}</span>
              <input
                className="input pair-code"
                value={code}
                onChange={(event) => setCode(format(event.target.value))}
                placeholder="XXXX-XXXX"
                aria-description={words.pair.codeHint}
                autoComplete="one-time-code"
                autoCapitalize="characters"
                autoCorrect="off"
                spellCheck={false}
                enterKeyHint="go"
                maxLength={12}
                autoFocus
              />
            </label>
            <label className="field">
              <span className="field-label">{words.pair.name}</span>
              <input className="input" value={name} onChange={(event) => setName(event.target.value)} maxLength={120} autoComplete="off" />
            </label>
            <button type="submit" className="button button-primary button-wide" disabled={!whole(code)}>
              {words.pair.submit}
            </button>
          </form>
        ) : (
          <div className="pair-form" aria-live="polite">
            <Progress stage={stage} />
            {stage.at === "waiting" || stage.at === "refused" ? (
              <button type="button" className={stage.at === "refused" ? "button button-primary button-wide" : "button button-wide"} onClick={() => { setCode(""); pairing.reset(); }}>
                {stage.at === "refused" ? words.pair.again : words.cancel}
              </button>
            ) : null}
          </div>
        )}
      </div>
    </main>
  );
}

function Progress({ stage }: { stage: Exclude<Stage, { at: "code" }> }) {
  switch (stage.at) {
    case "claiming":
      return <h1 className="pair-title">{words.pair.claiming}</h1>;
    case "approved":
      return <h1 className="pair-title">{words.pair.approved}</h1>;
    case "waiting":
      return (
        <>
          <h1 className="pair-title">{words.pair.waitingTitle}</h1>
          <p className="soft">{words.pair.waiting}</p>
          <p className="pair-words">{stage.words}</p>
          <p className="small soft">{words.pair.waitingUntil(clock(stage.expiresAtMs, Date.now()))}</p>
        </>
      );
    case "refused": {
      const { title, text } = refusal(stage);
      return (
        <>
          <h1 className="pair-title">{title}</h1>
          <p className="soft">{text}</p>
        </>
      );
    }
  }
}

/** What a refusal says. */
export function refusal({ why, retryAfterMs, hint }: Extract<Stage, { at: "refused" }>): { title: string; text: string } {
  switch (why) {
    case "invalid":
      return { title: words.pair.invalidTitle, text: words.pair.invalid };
    case "rejected":
      return { title: words.pair.rejectedTitle, text: words.pair.rejected };
    case "expired":
      return { title: words.pair.expiredTitle, text: words.pair.expired };
    case "limited":
      return { title: words.pair.limitedTitle, text: retryAfterMs === null ? words.pair.limitedSoon : words.pair.limited(words.span(retryAfterMs)) };
    case "unreachable":
      return { title: words.pair.unreachableTitle, text: words.pair.unreachable };
    case "failed":
      return { title: words.pair.failedTitle, text: hint || words.error("internal") };
  }
}
