import { useEffect, useMemo, useState } from "react";
import { href } from "../../app/router";
import { Api, ApiError } from "../../hub/api";
import { SignDrawing } from "../../parts/Sign";
import { words } from "../../words";
import "./pair.css";

/** What a link to a chat came to. */
type Stage = { at: "asked" } | { at: "joining" } | { at: "in" } | { at: "over"; why: "invalid" | "own" | "stranger" } | { at: "failed"; text: string };

/** The page that a link to a chat of somebody else opens: what that means, and the step that takes part. Looking at it uses nothing up. */
export function Share({ secret }: { secret: string | null }) {
  const api = useMemo(() => new Api(), []);
  const [stage, setStage] = useState<Stage>({ at: "asked" });
  useEffect(() => {
    // Who has no account here is told so at once. Whatever else this comes to says nothing of the link.
    void api.me().catch((error: unknown) => {
      if (error instanceof ApiError && error.problem.code === "unauthenticated") setStage((now) => (now.at === "asked" ? { at: "over", why: "stranger" } : now));
    });
  }, [api]);
  const join = (): void => {
    if (secret === null) return;
    setStage({ at: "joining" });
    api.joinSession(secret).then(
      ({ session }) => {
        setStage({ at: "in" });
        // A page of its own, from nothing, which fetches the lists with the chat in them.
        location.replace(href({ screen: "session", session }));
      },
      (error: unknown) => setStage(refused(error)),
    );
  };
  const over = secret === null ? { title: words.shareLink.noSecretTitle, text: words.shareLink.noSecret } : stage.at === "over" ? overWords(stage.why) : null;
  const failed = over === null && stage.at === "failed" ? stage.text : "";
  const busy = stage.at === "joining" || stage.at === "in";
  return (
    <main className="pair">
      <div className="pair-card">
        <SignDrawing line={stage.at === "in" ? "taut" : over || failed !== "" ? "broken" : "slack"} size={66} />
        {over ? (
          <div className="pair-form" role="alert">
            <h1 className="pair-title">{over.title}</h1>
            <p className="soft">{over.text}</p>
            {stage.at === "over" && stage.why === "stranger" ? (
              <a className="button button-primary button-wide" href={href({ screen: "pair" })}>
                {words.shareLink.pair}
              </a>
            ) : (
              <a className="button button-wide" href={href({ screen: "sessions" })}>
                {words.shareLink.list}
              </a>
            )}
          </div>
        ) : (
          <div className="pair-form">
            <h1 className="pair-title">{words.shareLink.title}</h1>
            <p className="soft">{words.shareLink.about(location.host)}</p>
            <p className="small soft">{words.shareLink.seen}</p>
            {failed === "" ? null : (
              <p className="small pair-bad" role="alert">
                {failed}
              </p>
            )}
            <button type="button" className="button button-primary button-wide" disabled={busy} onClick={join}>
              {busy ? words.shareLink.busy : failed === "" ? words.shareLink.submit : words.retry}
            </button>
          </div>
        )}
      </div>
    </main>
  );
}

/** What a refusal means: an invitation that is none stays none, all else may be over by the next try. */
function refused(error: unknown): Stage {
  if (!(error instanceof ApiError)) return { at: "failed", text: words.shareLink.unreachable };
  switch (error.problem.code) {
    case "not_found":
      return { at: "over", why: "invalid" };
    case "bad_request":
      return { at: "over", why: "own" };
    case "unauthenticated":
      return { at: "over", why: "stranger" };
    default:
      return { at: "failed", text: words.people.refused(error.problem) };
  }
}

function overWords(why: "invalid" | "own" | "stranger"): { title: string; text: string } {
  switch (why) {
    case "invalid":
      return { title: words.shareLink.invalidTitle, text: words.shareLink.invalid };
    case "own":
      return { title: words.shareLink.ownTitle, text: words.shareLink.own };
    case "stranger":
      return { title: words.shareLink.strangerTitle, text: words.shareLink.stranger(location.host) };
  }
}
