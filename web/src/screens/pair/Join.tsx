import { type FormEvent, useEffect, useMemo, useState } from "react";
import { Api } from "../../hub/api";
import { useStore } from "../../hub/store";
import { SignDrawing } from "../../parts/Sign";
import { words } from "../../words";
import { about } from "./about";
import { Pairing } from "./pairing";
import { refusal } from "./Pair";
import "./pair.css";

/** The page that an invitation opens: what one gets, and the step that takes it. Looking at it uses nothing up. */
export function Join({ secret }: { secret: string | null }) {
  const pairing = useMemo(() => new Pairing(new Api()), []);
  const device = useMemo(() => about(navigator.userAgent, navigator.maxTouchPoints), []);
  const stage = useStore(pairing.stage);
  const [name, setName] = useState(device.name);
  useEffect(() => {
    // The page starts from nothing, with the cookie: no state of before is carried along.
    if (stage.at === "approved") location.replace("/");
  }, [stage]);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (secret !== null) void pairing.claim(secret, name.trim() || device.name, device.platform);
  };
  const begun = stage.at !== "code" && stage.at !== "refused";
  const bad = stage.at === "refused" ? (stage.why === "invalid" ? { title: words.join.invalidTitle, text: words.join.invalid } : refusal(stage)) : secret === null ? { title: words.join.noSecretTitle, text: words.join.noSecret } : null;
  // What may be over by the next try is tried again; an invitation that is none stays none.
  const again = stage.at === "refused" && stage.why !== "invalid" && secret !== null;
  return (
    <main className="pair">
      <div className="pair-card">
        <SignDrawing line={stage.at === "approved" ? "taut" : bad ? "broken" : "slack"} size={66} />
        {bad ? (
          <div className="pair-form" role="alert">
            <h1 className="pair-title">{bad.title}</h1>
            <p className="soft">{bad.text}</p>
            {again ? (
              <button type="button" className="button button-primary button-wide" onClick={() => pairing.reset()}>
                {words.retry}
              </button>
            ) : null}
          </div>
        ) : (
          <form className="pair-form" onSubmit={submit}>
            <h1 className="pair-title">{words.join.title}</h1>
            <p className="soft">{words.join.about(location.host)}</p>
            <p className="small soft">{words.join.seen}</p>
            <label className="field">
              <span className="field-label">{words.pair.name}</span>
              <input className="input" value={name} onChange={(event) => setName(event.target.value)} maxLength={120} autoComplete="off" disabled={begun} />
            </label>
            <button type="submit" className="button button-primary button-wide" disabled={begun}>
              {begun ? words.join.busy : words.join.submit}
            </button>
          </form>
        )}
      </div>
    </main>
  );
}
