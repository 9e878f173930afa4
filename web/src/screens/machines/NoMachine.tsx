import { Written } from "../../parts/Written";
import { words } from "../../words";

/** Of a hub that no machine is linked to yet: what to do on the machine. */
export function NoMachine() {
  return (
    <Written title={words.machines.emptyTitle} text={words.machines.empty}>
      <code className="command">{words.machines.emptyCommand(location.origin)}</code>
    </Written>
  );
}
