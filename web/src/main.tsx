import "./style/tokens.css";
import "./style/base.css";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { follow, parse, takeFragment } from "./app/router";
import { Hub } from "./hub/hub";
import { listenForInstall } from "./offline/install";
import { register } from "./offline/register";
import { Join } from "./screens/pair/Join";
import { Pair } from "./screens/pair/Pair";
import { Share } from "./screens/pair/Share";

const root = document.getElementById("root");
if (!root) throw new Error("the page has no root");

const { screen } = parse(location.pathname);
if (screen === "pair" || screen === "join" || screen === "share") {
  // Before anything else: the secret leaves the address bar.
  const secret = takeFragment();
  // Another link that is opened here while this page shows is no new page for the browser.
  window.addEventListener("hashchange", () => location.reload());
  createRoot(root).render(screen === "join" ? <Join secret={secret} /> : screen === "share" ? <Share secret={secret} /> : <Pair secret={secret} />);
} else {
  follow();
  listenForInstall();
  register();
  const hub = new Hub();
  createRoot(root).render(<App hub={hub} />);
  void hub.start();
}
