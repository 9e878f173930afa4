import { type FormEvent, useMemo, useRef, useState } from "react";
import { useHub, useNow, useRows } from "../../app/context";
import { go } from "../../app/router";
import { mint } from "../../hub/ids";
import { useStore } from "../../hub/store";
import { KEEP_MS } from "../../machines/queue";
import { names, waits } from "../../machines/standing";
import { LAST_MACHINE, lastUsed, likeliest, targets } from "../../machines/target";
import { Page } from "../../parts/Page";
import { Typed } from "../../parts/Typed";
import { Written } from "../../parts/Written";
import type { AgentEntry, Choice, CommandBody } from "../../protocol/generated";
import { effortsOf } from "../../session/efforts";
import { words } from "../../words";
import { AttachButton, Tray, useFiles } from "../../parts/Attach";
import { NoMachine } from "../machines/NoMachine";
import { useSlash } from "../transcript/Slash";
import { tooLong } from "../transcript/length";
import { KeepChoice, MachineChoice } from "./Machine";
import { NEW_PROJECT, ProjectChoice, isProjectName } from "./Project";
import "./new.css";

/** Starts a chat: where, with whom, and the first message. The chat is opened at once; the host catches up. */
export function NewChat({ project: wanted }: { project: string | null }) {
  const hub = useHub();
  const rows = useRows();
  const now = useNow();
  const own = useStore(hub.me)?.host ?? null;
  const live = useStore(hub.socket.connection).state === "live";
  const hosts = useMemo(() => targets(rows, own), [rows.host, own]);
  const [chosenHost, setHost] = useState("");
  const hostId = likeliest(rows, [chosenHost, rows.project.get(wanted ?? "")?.host, hub.kept.get(LAST_MACHINE)], own);
  const host = rows.host.get(hostId);
  const hostName = names(rows.host).get(hostId) ?? "";
  const projects = useMemo(
    () => [...rows.project].filter(([, each]) => each.host === hostId).sort((a, b) => Number(b[1].available) - Number(a[1].available) || a[1].content.name.localeCompare(b[1].content.name)),
    [rows.project, hostId],
  );
  const [chosenProject, setProject] = useState(wanted ?? "");
  const usable = (id: string): boolean => projects.some(([each, project]) => each === id && project.available);
  // A machine of an older version says nothing of new projects, and makes none.
  const root = host?.content.projectsRoot ?? null;
  const offers = (id: string): boolean => usable(id) || (id === NEW_PROJECT && root !== null);
  const projectId = [chosenProject, lastUsed(rows, hostId, "project"), projects[0]?.[0] ?? "", NEW_PROJECT].find(offers) ?? "";
  const [projectName, setProjectName] = useState("");
  const made = projectId === NEW_PROJECT;
  const named = projectName.trim();
  const agents = host?.content.agents ?? [];
  const [chosenAgent, setAgent] = useState("");
  const ready = (id: string): AgentEntry | undefined => agents.find((each) => each.id === id && each.state === "ready");
  const agent = ready(chosenAgent) ?? ready(lastUsed(rows, hostId, "agent")) ?? agents.find((each) => each.state === "ready");
  const [keepMs, setKeepMs] = useState<number>(KEEP_MS);
  const [model, setModel] = useState("");
  const [mode, setMode] = useState("");
  const [effort, setEffort] = useState("");
  const text = useStore(hub.drafts.of("new"));
  const setText = (written: string): void => hub.drafts.set("new", written);
  const long = tooLong(text);
  const attach = useFiles("new");
  const area = useRef<HTMLTextAreaElement>(null);
  // What only another project has is not offered here.
  const commands = useMemo(() => (agent?.commands ?? []).filter((each) => each.project === null || each.project === projectId), [agent, projectId]);
  const slash = useSlash(text, commands, (written) => {
    setText(written);
    area.current?.focus();
  });

  if (rows.ready && hosts.length === 0) {
    return (
      <Frame>
        <NoMachine />
      </Frame>
    );
  }
  if (rows.ready && rows.host.size === 1 && projects.length === 0 && root === null) {
    return (
      <Frame>
        <Written title={words.newChat.noProjectsTitle} text={words.newChat.noProjects}>
          <code className="command">{words.newChat.noProjectsCommand}</code>
        </Written>
      </Frame>
    );
  }
  // Whoever begins to fill in the form has seen what is chosen: an agent that becomes ready later does not take its place.
  const keep = (): void => {
    if (hostId !== "") setHost(hostId);
    if (projectId !== "") setProject(projectId);
    if (agent) setAgent(agent.id);
  };
  const complete = projectId !== "" && (!made || named === "" || isProjectName(named)) && agent !== undefined && (text.trim() !== "" || attach.list.length > 0) && !long && !attach.unfinished;
  const choose = (id: string): void => {
    setAgent(id);
    setModel("");
    setMode("");
    setEffort("");
  };
  // What was chosen of another machine's offer is not this one's.
  const move = (id: string): void => {
    setHost(id);
    setProject("");
    choose("");
  };
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (!complete) return;
    const session = mint("ses");
    const body: CommandBody = {
      kind: "start_session",
      session,
      project: made ? mint("prj") : projectId,
      ...(made ? { newProject: true } : {}),
      agent: agent.id,
      model: offered(agent.models, model),
      mode: offered(agent.modes, mode),
      effort: offered(effortsOf(agent, model), effort),
      content: { title: null, ...(made && named !== "" ? { projectName: named } : {}), text: text.trim() === "" ? "" : text, attachments: attach.files.attachments() },
    };
    hub.post(hostId, body, waits(host) ? keepMs : null);
    hub.kept.set(LAST_MACHINE, hostId);
    attach.files.clear();
    setText("");
    go({ screen: "session", session }, true);
  };
  return (
    <Frame>
      <form className="new" onDrop={attach.onDrop} onDragOver={attach.onDragOver} onSubmit={submit} onClick={keep} onInput={keep}>
        {hosts.length > 1 ? <MachineChoice hosts={hosts} chosen={hostId} choose={move} live={live} now={now} /> : null}
        {host && waits(host) ? <KeepChoice host={host} name={hostName} live={live} now={now} keep={keepMs} choose={setKeepMs} /> : null}
        <ProjectChoice projects={projects} chosen={projectId} choose={setProject} root={root} name={projectName} rename={setProjectName} host={hostName} />
        <fieldset className="field">
          <legend className="field-label">{words.newChat.agent}</legend>
          {agents.length === 0 ? <p className="soft">{hosts.length > 1 ? words.target.noAgents(hostName) : words.newChat.noAgents}</p> : null}
          <div className="choices">
            {agents.map((each) => (
              <AgentChoice key={each.id} agent={each} chosen={each.id === agent?.id} choose={() => choose(each.id)} />
            ))}
          </div>
        </fieldset>
        {agent && (agent.models.length > 0 || agent.modes.length > 0 || effortsOf(agent, model).length > 0) ? (
          <div className="new-row">
            <Select label={words.newChat.model} choices={agent.models} value={model} choose={setModel} />
            <Select label={words.newChat.effort} choices={effortsOf(agent, model)} value={effort} choose={setEffort} />
            <Select label={words.newChat.mode} choices={agent.modes} value={mode} choose={setMode} />
          </div>
        ) : null}
        <label className="field new-prompt">
          <span className="field-label">{words.newChat.promptLabel}</span>
          <textarea
            ref={area}
            className="input"
            rows={5}
            value={text}
            placeholder={words.newChat.prompt}
            onChange={(event) => setText(event.target.value)}
            onPaste={attach.onPaste}
            {...slash.box}
            onKeyDown={(event) => {
              if (slash.press(event)) return;
              if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && !event.nativeEvent.isComposing && event.keyCode !== 229) submit();
            }}
          />
          {long ? <span className="small new-long" role="alert">{words.newChat.tooLong}</span> : null}
        </label>
        {slash.list}
        <Tray files={attach.files} list={attach.list} />
        <div className="new-attach">
          <AttachButton files={attach.files} className="" />
        </div>
        <button type="submit" className="button button-primary button-wide new-start" disabled={!complete}>
          {words.newChat.start}
        </button>
      </form>
    </Frame>
  );
}

function Frame({ children }: { children: React.ReactNode }) {
  return <Page title={words.newChat.title}>{children}</Page>;
}

function AgentChoice({ agent, chosen, choose }: { agent: AgentEntry; chosen: boolean; choose: () => void }) {
  const ready = agent.state === "ready";
  const note = ready ? (agent.version ?? "") : [words.newChat.agentState(agent.state), agent.hint].filter(Boolean).join(": ");
  return (
    <label className="choice">
      <input type="radio" name="agent" value={agent.id} checked={chosen} disabled={!ready} onChange={choose} />
      <span className="choice-name">{agent.name}</span>
      <span className="choice-note"><Typed text={note} /></span>
    </label>
  );
}

function Select({ label, choices, value, choose }: { label: string; choices: readonly Choice[]; value: string; choose: (id: string) => void }) {
  if (choices.length === 0) return null;
  return (
    <label className="field">
      <span className="field-label">{label}</span>
      <select className="input" value={value} onChange={(event) => choose(event.target.value)}>
        <option value="">{words.newChat.byDefault}</option>
        {choices.map((choice) => (
          <option key={choice.id} value={choice.id}>
            {choice.name}
          </option>
        ))}
      </select>
    </label>
  );
}

function offered(choices: readonly Choice[], id: string): string | null {
  return choices.some((choice) => choice.id === id) ? id : null;
}
