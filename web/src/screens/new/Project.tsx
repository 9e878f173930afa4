import type { Project } from "../../protocol/generated";
import { words } from "../../words";
import { Typed } from "../../parts/Typed";

/** What stands for a project that is to be made: no id of a project is like it. */
export const NEW_PROJECT = "new";

/** Longest name of a new project, in characters, as the protocol says. */
const LONGEST = 60;

/** Whether a new project may be called that: the same rule as the protocol's, so that nothing is sent that would be refused. */
export function isProjectName(name: string): boolean {
  return [...name].length <= LONGEST && /^[\p{Alphabetic}\p{N}][\p{Alphabetic}\p{N}\-_. ]*$/u.test(name) && !/[. ]$/.test(name);
}

interface Props {
  projects: readonly [string, Project][];
  chosen: string;
  choose: (id: string) => void;
  /** Below which directory the machine makes new ones; null where it makes none. */
  root: string | null;
  name: string;
  rename: (name: string) => void;
  host: string;
}

/** Which project: those of the machine, and a new one where it makes them. */
export function ProjectChoice({ projects, chosen, choose, root, name, rename, host }: Props) {
  const wrong = name.trim() !== "" && !isProjectName(name.trim());
  return (
    <fieldset className="field">
      <legend className="field-label">{words.newChat.project}</legend>
      {projects.length === 0 && root === null ? (
        <p className="soft">
          <Typed text={words.target.noProjects(host)} />
        </p>
      ) : null}
      <div className="choices">
        {projects.map(([id, each]) => (
          <label key={id} className="choice">
            <input type="radio" name="project" value={id} checked={id === chosen} disabled={!each.available} onChange={() => choose(id)} />
            <span className="choice-name">{each.content.name}</span>
            <span className="choice-note">{each.available ? each.content.path : words.newChat.unavailable}</span>
          </label>
        ))}
        {root === null ? null : (
          <label className="choice">
            <input type="radio" name="project" value={NEW_PROJECT} checked={chosen === NEW_PROJECT} onChange={() => choose(NEW_PROJECT)} />
            <span className="choice-name">{words.newChat.newProject}</span>
            <span className="choice-note">{words.newChat.newProjectNote(root)}</span>
          </label>
        )}
      </div>
      {chosen === NEW_PROJECT ? (
        <label className="field new-name">
          <span className="field-label">{words.newChat.projectName}</span>
          <input className="input" value={name} placeholder={words.newChat.projectNameEmpty} autoComplete="off" autoCapitalize="off" spellCheck={false} aria-invalid={wrong} onChange={(event) => rename(event.target.value)} />
          {wrong ? (
            <span className="small new-long" role="alert">
              {words.newChat.projectNameWrong}
            </span>
          ) : null}
        </label>
      ) : null}
    </fieldset>
  );
}
