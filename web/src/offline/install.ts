import { Store } from "../hub/store";

/** What browsers offer that can install a page; the event is Chromium's. */
interface InstallEvent extends Event {
  prompt(): Promise<unknown>;
}

interface Installable {
  /** Asks the browser to install the page; null where it has not offered. */
  prompt: (() => Promise<unknown>) | null;
  installed: boolean;
}

/** Whether the page is an app on this device, or may become one. */
export const installable = new Store<Installable>({ prompt: null, installed: false });

/** Listens for the browser's offer; it comes once, early, and is kept for when somebody wants it. */
export function listenForInstall(): void {
  installable.set({ prompt: null, installed: matchMedia("(display-mode: standalone)").matches });
  window.addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    installable.set({ ...installable.get(), prompt: () => (event as InstallEvent).prompt() });
  });
  window.addEventListener("appinstalled", () => installable.set({ prompt: null, installed: true }));
}
