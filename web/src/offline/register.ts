/** Lets the page open without a network, where its address allows that; elsewhere nothing happens. */
export function register(): void {
  if (!isSecureContext || !("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  // After the page is there: the files are fetched a second time, which must not slow the first.
  const start = (): void => {
    navigator.serviceWorker.register("/sw.js").catch(() => {
      // A private window, or one that forbids it: the page works as it is.
    });
  };
  if (document.readyState === "complete") start();
  else window.addEventListener("load", start, { once: true });
}

/** Lets a newer build that waits take over, so that the page that is about to be loaded is its own. */
export async function takeOver(): Promise<void> {
  try {
    const registration = await navigator.serviceWorker?.getRegistration();
    registration?.waiting?.postMessage("take-over");
  } catch {
    // Where there can be no worker, none waits.
  }
}
