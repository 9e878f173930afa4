import { type FormEvent, useEffect, useMemo, useState } from "react";
import { useHub, useRows } from "../../app/context";
import { go } from "../../app/router";
import { mint } from "../../hub/ids";
import { Page } from "../../parts/Page";
import { Written } from "../../parts/Written";
import type { AgentEntry, Choice } from "../../protocol/generated";
import { effortsOf } from "../../session/efforts";
import { words } from "../../words";
import { AttachButton, Tray, useFiles } from "../../parts/Attach";
import { tooLong } from "../transcript/length";
import "./new.css";

/** Starts a chat: where, with whom, and the first message. The chat is opened at once; the host catches up. */
export function NewChat({ project: wanted }: { project: string | null }) {
  const hub = useHub();
  const rows = useRows();
  const projects = useMemo(
    () => [...rows.project].sort((a, b) => Number(b[1].available) - Number(a[1].available) || a[1].content.name.localeCompare(b[1].content.name)),
    [rows.project],
  );
  const [chosenProject, setProject] = useState(wanted ?? lastUsed(rows.session, "project"));
  const projectId = projects.some(([id, project]) => id === chosenProject && project.available) ? chosenProject : (projects.find(([, each]) => each.available)?.[0] ?? "");
  const project = rows.project.get(projectId);
  const host = project ? rows.host.get(project.host) : undefined;
  const agents = host?.content.agents ?? [];
  const [chosenAgent, setAgent] = useState(() => lastUsed(rows.session, "agent"));
  const agent = agents.find((each) => each.id === chosenAgent && each.state === "ready") ?? agents.find((each) => each.state === "ready");
  const [model, setModel] = useState("");
  const [mode, setMode] = useState("");
  const [effort, setEffort] = useState("");
  const [text, setText] = useState(() => hub.drafts.get("new"));
  useEffect(() => hub.drafts.set("new", text), [hub, text]);
  const long = tooLong(text);
  const attach = useFiles("new");

  if (rows.ready && projects.length === 0) {
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
    if (projectId !== "") setProject(projectId);
    if (agent) setAgent(agent.id);
  };
  const ready = project !== undefined && agent !== undefined && (text.trim() !== "" || attach.list.length > 0) && !long && !attach.unfinished;
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (!ready) return;
    const session = mint("ses");
    hub.post(project.host, {
      kind: "start_session",
      session,
      project: projectId,
      agent: agent.id,
      model: offered(agent.models, model),
      mode: offered(agent.modes, mode),
      effort: offered(effortsOf(agent, model), effort),
      content: { title: null, text: text.trim() === "" ? "" : text, attachments: attach.files.attachments() },
    });
    attach.files.clear();
    hub.drafts.set("new", "");
    go({ screen: "session", session }, true);
  };
  return (
    <Frame>
      <form className="new" onDrop={attach.onDrop} onDragOver={attach.onDragOver} onSubmit={submit} onClick={keep} onInput={keep}>
        <fieldset className="field">
          <legend className="field-label">{words.newChat.project}</legend>
          <div className="choices">
            {projects.map(([id, each]) => (
              <label key={id} className="choice">
                <input type="radio" name="project" value={id} checked={id === projectId} disabled={!each.available} onChange={() => setProject(id)} />
                <span className="choice-name">{each.content.name}</span>
                <span className="choice-note">
                  {each.available ? each.content.path : words.newChat.unavailable}
                  {rows.host.size > 1 ? ` · ${rows.host.get(each.host)?.content.name ?? ""}` : ""}
                </span>
              </label>
            ))}
          </div>
        </fieldset>
        <fieldset className="field">
          <legend className="field-label">{words.newChat.agent}</legend>
          {agents.length === 0 ? <p className="soft">{words.newChat.noAgents}</p> : null}
          <div className="choices">
            {agents.map((each) => (
              <AgentChoice key={each.id} agent={each} chosen={each.id === agent?.id} choose={() => { setAgent(each.id); setModel(""); setMode(""); setEffort(""); }} />
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
        {host && host.presence !== "online" ? <p className="small soft" role="status">{words.newChat.hostAway(host.content.name)}</p> : null}
        <label className="field new-prompt">
          <span className="field-label">{words.newChat.promptLabel}</span>
          <textarea
            className="input"
            rows={5}
            value={text}
            placeholder={words.newChat.prompt}
            onChange={(event) => setText(event.target.value)}
            onPaste={attach.onPaste}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && !event.nativeEvent.isComposing && event.keyCode !== 229) submit();
            }}
          />
          {long ? <span className="small new-long" role="alert">{words.newChat.tooLong}</span> : null}
        </label>
        <Tray files={attach.files} list={attach.list} />
        <div className="new-attach">
          <AttachButton files={attach.files} className="" />
        </div>
        <button type="submit" className="button button-primary button-wide new-start" disabled={!ready}>
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
      <span className="choice-note">{note}</span>
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

/** What the newest chat used: the likeliest wish for the next one. */
function lastUsed(sessions: ReadonlyMap<string, { project: string; agent: string; createdAtMs: number }>, what: "project" | "agent"): string {
  let newest: { project: string; agent: string; createdAtMs: number } | null = null;
  for (const session of sessions.values()) if (newest === null || session.createdAtMs > newest.createdAtMs) newest = session;
  return newest?.[what] ?? "";
}
