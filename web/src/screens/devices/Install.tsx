import { useStore } from "../../hub/store";
import { installable } from "../../offline/install";
import { words } from "../../words";

/** The way to have Towline as an app; where the address forbids it, why. */
export function Install() {
  const { prompt, installed } = useStore(installable);
  return (
    <section className="house-part" aria-labelledby="install">
      <h2 id="install">{words.install.title}</h2>
      {installed ? (
        <p className="soft">{words.install.installed}</p>
      ) : !isSecureContext ? (
        <>
          <p className="soft">{words.install.insecure(location.origin)}</p>
          <p className="soft">{words.install.insecureNext}</p>
        </>
      ) : prompt === null ? (
        <p className="soft">{words.install.byHand}</p>
      ) : (
        <>
          <p className="soft">{words.install.why}</p>
          <button type="button" className="button button-wide" onClick={() => void prompt()}>
            {words.install.install}
          </button>
        </>
      )}
    </section>
  );
}
