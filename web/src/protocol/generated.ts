// @generated from the `protocol` crate by `cargo xtask gen`. Do not edit: a stale file fails a test.
/* eslint-disable */

/**
 * A human principal who owns devices and sessions.
 */
export type AccountId = string;

/**
 * An enrolled installation; a host is a device that runs agents, and is named by its device id.
 */
export type DeviceId = string;

/**
 * A directory on one host in which sessions run.
 */
export type ProjectId = string;

/**
 * A durable conversation, owned by exactly one host at a time.
 */
export type SessionId = string;

/**
 * One prompt and the agent's response to it.
 */
export type TurnId = string;

/**
 * The smallest unit of a transcript.
 */
export type ItemId = string;

/**
 * A decision that the agent waits for.
 */
export type ApprovalId = string;

/**
 * An instruction from a client to a host; minted by the client.
 */
export type CommandId = string;

/**
 * An enrolment that is under way.
 */
export type PairingId = string;

/**
 * A standing rule: what a person allowed for longer.
 */
export type RuleId = string;

/**
 * An account's part in a session of another account.
 */
export type ParticipantId = string;

/**
 * An entry of the audit trail.
 */
export type AuditId = string;

/**
 * An invitation to have an account of one's own, or to take part in a session.
 */
export type InvitationId = string;

/**
 * A file that is being uploaded.
 */
export type UploadId = string;

/**
 * One HTTP request or socket connection, for logs and problems.
 */
export type RequestId = string;

/**
 * The SHA-256 of a file's bytes: 64 lower-case hex digits.
 */
export type BlobId = string;

/**
 * A file that is whole: the hub has seen all of it and knows what it is.
 */
export type Blob = { 
/**
 * What it is called by: `GET /v1/blobs/{sha256}`.
 */
sha256: BlobId, 
/**
 * What its bytes are, found by looking at them: `image/png`, `image/jpeg`, `image/gif`, `image/webp` or `text/plain`.
 */
mediaType: string, 
/**
 * Its size, in bytes.
 */
sizeBytes: number, };

/**
 * A file with a prompt.
 */
export type Attachment = { 
/**
 * The file.
 */
blob: BlobId, 
/**
 * What the person calls it; never a path.
 */
name: string, 
/**
 * What its bytes are, as the finished upload said.
 */
mediaType: string, 
/**
 * Its size, in bytes.
 */
sizeBytes: number, };

/**
 * Begins an upload.
 */
export type UploadRequest = { 
/**
 * What the person calls the file.
 */
name: string, 
/**
 * What the client takes it for; the hub looks for itself.
 */
mediaType: string, 
/**
 * Its whole size, in bytes.
 */
sizeBytes: number, };

/**
 * How far an upload is.
 */
export type UploadState = { 
/**
 * Which.
 */
upload: UploadId, 
/**
 * Bytes that the hub has on disk: the next piece begins there.
 */
receivedBytes: number, 
/**
 * The file, once all of it is there.
 */
blob: Blob | null, };

/**
 * A position in a stream: everything before it has been read, what follows has not.
 *
 * The owner of the stream assigns it once and it means the same on every replica. The epoch changes only when a stream is
 * made anew under the same path (W-031), so an old offset can never point into other data.
 */
export type Offset = string;

/**
 * The path of a stream below `/v1/stream/`, without a leading slash: 1 to 512 bytes of printable ASCII or UTF-8, no empty,
 * `.` or `..` segment, no control character. Cheap to clone.
 */
export type StreamPath = string;

/**
 * Milliseconds since 1970-01-01T00:00:00Z by the hub's clock; field names end in `AtMs`.
 */
export type UnixMs = number;

/**
 * What a change does to the row of its type and key.
 */
export type Operation = "insert" | "update" | "delete";

/**
 * The headers of a change.
 */
export type Headers = { 
/**
 * What the change does.
 */
operation: Operation, };

/**
 * Who authored a message or command; stamped by the hub from the connection, never taken from a body (W-056).
 */
export type Sender = { 
/**
 * The account.
 */
account: AccountId, 
/**
 * The device.
 */
device: DeviceId, };

/**
 * The value of an `item` fact.
 */
export type Item = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * The session.
 */
session: SessionId, 
/**
 * The turn.
 */
turn: TurnId, 
/**
 * The item's place in the transcript: transcripts are ordered by it.
 */
ord: number, 
/**
 * The tool call of the sub-agent that this item belongs to.
 */
parent: ItemId | null, 
/**
 * Who says it.
 */
role: Role, 
/**
 * The device on which it was typed, for what a person said.
 */
sender: Sender | null, 
/**
 * Where it stands.
 */
status: ItemStatus, 
/**
 * The number of this message among those that the turn stream carries for the item, snapshots and deltas together, gap-free
 * from 0. A settled item: how many there were.
 */
index: number, 
/**
 * When it began.
 */
createdAtMs: UnixMs, 
/**
 * When it settled; null in a turn stream.
 */
settledAtMs: UnixMs | null, 
/**
 * Bytes of its content that were left out because they are beyond the limits of [`crate::limits`], those of a tool's output apart,
 * which stand with it; they are named, never cut silently.
 */
leftOutBytes?: number, 
/**
 * What it says.
 */
content: ItemContent, };

/**
 * Who says an item.
 */
export type Role = "user" | "agent" | "system";

/**
 * Where an item stands.
 */
export type ItemStatus = "running" | "done" | "failed" | "denied" | "interrupted" | "unknown";

/**
 * What an item says.
 */
export type ItemContent = { "kind": "text", 
/**
 * The text.
 */
text: string, } | { "kind": "reasoning", 
/**
 * The text; empty when the vendor keeps it to itself.
 */
text: string, } | { "kind": "tool_call" } & ToolCall | { "kind": "plan", 
/**
 * Its steps, in order.
 */
entries: Array<PlanEntry>, } | { "kind": "notice", 
/**
 * How much it matters.
 */
level: NoticeLevel, 
/**
 * A stable word for what it is (`unknown_message`, `retrying`, `compacted`, …).
 */
code: string, 
/**
 * What to show.
 */
text: string, } | { "kind": "unknown" };

/**
 * A tool that the agent uses.
 */
export type ToolCall = { 
/**
 * What sort of tool it is, for the card.
 */
tool: ToolKind, 
/**
 * The agent's own name of it.
 */
name: string, 
/**
 * One line that says what is being done.
 */
title: string, 
/**
 * The input, as JSON text exactly as it runs; a prefix of it while it streams.
 */
input: string, 
/**
 * Files that it is about.
 */
locations: Array<Location>, 
/**
 * Edits that it makes.
 */
diffs: Array<Diff>, 
/**
 * What it printed or answered.
 */
output: string, 
/**
 * Bytes of output that were left out of `output` because of the limit; they are named, never cut silently.
 */
outputOmittedBytes: number, 
/**
 * The exit code, of a command that ended.
 */
exitCode: number | null, 
/**
 * What its sub-agent has used, once the agent says so.
 */
used?: TaskUsage | null, };

/**
 * What a sub-agent has used; the turn's own usage holds it too.
 */
export type TaskUsage = { 
/**
 * Tokens read and written.
 */
tokens: number, 
/**
 * Tools that it used.
 */
toolCalls: number, 
/**
 * How long it took, in milliseconds.
 */
durationMs: number, };

/**
 * What sort of tool a call uses.
 */
export type ToolKind = "read" | "edit" | "delete" | "move" | "search" | "execute" | "fetch" | "think" | "task" | "ask" | "other";

/**
 * A place in a file.
 */
export type Location = { 
/**
 * The path as the agent names it.
 */
path: string, 
/**
 * The line, from 1.
 */
line: number | null, };

/**
 * An edit of one file.
 */
export type Diff = { 
/**
 * The path as the agent names it.
 */
path: string, 
/**
 * What stood there; null for a new file.
 */
oldText: string | null, 
/**
 * What stands there now.
 */
newText: string, };

/**
 * A step of a plan.
 */
export type PlanEntry = { 
/**
 * What is to be done.
 */
text: string, 
/**
 * Where it stands.
 */
status: PlanStatus, };

/**
 * Where a step of a plan stands.
 */
export type PlanStatus = "pending" | "in_progress" | "completed";

/**
 * How much a notice matters.
 */
export type NoticeLevel = "info" | "warning" | "error";

/**
 * The value of a `delta` fact: what an unsettled item grows by.
 */
export type Delta = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * The number of this message among those that the turn stream carries for the item, snapshots and deltas together, gap-free
 * from 0; the first one is always a snapshot.
 */
index: number, 
/**
 * Which part of the item grows.
 */
part: DeltaPart, 
/**
 * The words.
 */
content: DeltaContent, };

/**
 * Which part of an item a delta extends.
 */
export type DeltaPart = "text" | "input" | "output";

/**
 * The words of a delta.
 */
export type DeltaContent = { 
/**
 * What is added at the end.
 */
text: string, };

/**
 * The value of a `turn` fact.
 */
export type Turn = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * The session.
 */
session: SessionId, 
/**
 * The turn's place in the session, in the same numbers as its items'.
 */
ord: number, 
/**
 * Where it stands.
 */
state: TurnState, 
/**
 * Why there is a turn.
 */
origin: Origin, 
/**
 * Who asked for it, when a person did.
 */
sender: Sender | null, 
/**
 * The agent that runs it.
 */
agent: string, 
/**
 * The model that really ran, as the agent reports it; null until it has (W-016).
 */
model: string | null, 
/**
 * From where the turn stream (`turns/{id}/live`) is to be read: everything not settled begins there or later. Null before the
 * turn runs.
 */
lowWater: Offset | null, 
/**
 * When the host accepted it.
 */
queuedAtMs: UnixMs, 
/**
 * When the agent got it.
 */
startedAtMs: UnixMs | null, 
/**
 * When it ended.
 */
endedAtMs: UnixMs | null, 
/**
 * What it used, once the agent has said.
 */
usage: Usage | null, 
/**
 * Why it failed or was interrupted.
 */
error: TurnError | null, 
/**
 * How far its prompt has got on its way into the turn that ran; null when it has no such way to go.
 */
steer?: Steer | null, 
/**
 * Since when its agent has said nothing, although it is the one that is waited for: nobody is asked and no tool runs. Null until that has
 * lasted a while, and when it speaks again.
 */
quietSinceMs?: UnixMs | null, 
/**
 * The words that go with it.
 */
content: TurnContent, };

/**
 * Where a turn stands: `queued → running ⇄ awaiting_approval → completed | failed | interrupted`.
 */
export type TurnState = "queued" | "running" | "awaiting_approval" | "completed" | "failed" | "interrupted";

/**
 * Why there is a turn.
 */
export type Origin = { "type": "prompt", 
/**
 * The command that carried the prompt.
 */
command: CommandId, } | { "type": "agent" } | { "type": "resume" };

/**
 * A prompt that goes into the turn that runs, instead of waiting for its end.
 */
export type Steer = { "state": "handed" } | { "state": "taken", 
/**
 * The turn that took it in.
 */
turn: TurnId, } | { "state": "unknown" };

/**
 * What a turn used.
 */
export type Usage = { 
/**
 * Tokens read, without cached ones.
 */
inputTokens: number, 
/**
 * Tokens written.
 */
outputTokens: number, 
/**
 * Tokens read from the vendor's cache.
 */
cachedTokens: number, 
/**
 * What the agent says it cost, in millionths of a US dollar.
 */
costMicroUsd: number | null, };

/**
 * Why a turn failed or was interrupted.
 */
export type TurnError = { 
/**
 * The reason, stable.
 */
code: TurnErrorCode, 
/**
 * Who stopped it, when a person did (W-037).
 */
by: Sender | null, };

/**
 * Why a turn failed or was interrupted.
 */
export type TurnErrorCode = "agent_died" | "agent_error" | "agent_unavailable" | "cancelled" | "credentials_expired" | "host_restarted" | "model_unavailable" | "overloaded" | "rate_limited" | "refused" | "session_not_saved" | "silent" | "unknown";

/**
 * The words that go with a turn.
 */
export type TurnContent = { 
/**
 * What the agent or the machine said of the error.
 */
detail: string | null, 
/**
 * The files that came with its prompt, in the order in which they were attached.
 */
attachments: Array<Attachment>, };

/**
 * The value of an `approval` fact.
 */
export type Approval = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * The session.
 */
session: SessionId, 
/**
 * The turn.
 */
turn: TurnId, 
/**
 * The tool call that waits.
 */
item: ItemId | null, 
/**
 * Its place in the transcript.
 */
ord: number, 
/**
 * What sort of decision it is.
 */
kind: ApprovalKind, 
/**
 * Where it stands.
 */
state: ApprovalState, 
/**
 * What can be answered, in the order to show it.
 */
options: Array<ApprovalOption>, 
/**
 * What was answered, and by whom.
 */
decision: Decision | null, 
/**
 * When the agent asked.
 */
createdAtMs: UnixMs, 
/**
 * When it expires if nobody answers; null when it waits for as long as the agent does. An older program says nothing of it.
 */
expiresAtMs: UnixMs | null, 
/**
 * What is asked.
 */
content: ApprovalContent, };

/**
 * What sort of decision an approval is.
 */
export type ApprovalKind = "permission" | "question" | "plan";

/**
 * Where an approval stands: `pending → answered | expired | withdrawn | stale`. Only `pending` can be answered (W-039).
 */
export type ApprovalState = "pending" | "answered" | "expired" | "withdrawn" | "stale";

/**
 * An answer that can be given.
 */
export type ApprovalOption = { 
/**
 * What to send back; unique in its approval.
 */
id: string, 
/**
 * What it means.
 */
kind: OptionKind, };

/**
 * What an answer means.
 */
export type OptionKind = "allow_once" | "allow_always" | "allow_rule" | "deny" | "deny_always" | "answer";

/**
 * An answer that was given.
 */
export type Decision = { 
/**
 * The option.
 */
option: string, 
/**
 * Who answered; for a standing rule who made it, for the policy the host itself.
 */
by: Sender, 
/**
 * When.
 */
atMs: UnixMs, 
/**
 * How it came about. An older program knew only people.
 */
via: Via, 
/**
 * The standing rule that answered.
 */
rule: RuleId | null, };

/**
 * How a decision came about.
 */
export type Via = "person" | "rule" | "policy" | "expiry";

/**
 * What is asked: what will be done, where, exactly as it will run.
 */
export type ApprovalContent = { 
/**
 * One line: what the agent wants to do.
 */
title: string, 
/**
 * The command, the path or the plan, exactly as it will run; its beginning, when it is too long to be shown, and `left_out_bytes`
 * says so.
 */
detail: string, 
/**
 * The directory in which it would happen, as shown to people.
 */
place: string, 
/**
 * Why the agent must ask, when it says so.
 */
reason: string | null, 
/**
 * The words of the options, in the same order.
 */
labels: Array<string>, 
/**
 * The questions, for a question.
 */
questions: Array<Question>, 
/**
 * The hash of all that is shown, as the host made it: an answer that consents says it, and counts only while it is the same.
 */
shown: string, 
/**
 * Why this is dangerous, in words, when it looks so.
 */
danger: string | null, 
/**
 * Why it was decided so, or why a person must decide: the rule in words, or the line of the policy.
 */
because: string | null, 
/**
 * Bytes of what is asked that are not shown because they are too many, of its tool call too; `shown` binds them all the same.
 */
leftOutBytes?: number, };

/**
 * A question of the agent.
 */
export type Question = { 
/**
 * What it asks; also the key of its answer.
 */
question: string, 
/**
 * A word or two to head it.
 */
header: string, 
/**
 * Whether several answers may be chosen.
 */
multiple: boolean, 
/**
 * The answers offered.
 */
options: Array<QuestionOption>, };

/**
 * An answer offered to a question.
 */
export type QuestionOption = { 
/**
 * The answer.
 */
label: string, 
/**
 * What it means.
 */
description: string, };

/**
 * The value of a `rule` fact.
 */
export type Rule = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * The host that answers by it.
 */
host: DeviceId, 
/**
 * The project in which it holds.
 */
project: ProjectId, 
/**
 * The session in which alone it holds; null for every session of the project.
 */
session: SessionId | null, 
/**
 * Who made it, by an answer.
 */
by: Sender, 
/**
 * When it was made.
 */
createdAtMs: UnixMs, 
/**
 * When it ends by itself; null when it holds until somebody revokes it, or the session goes.
 */
expiresAtMs: UnixMs | null, 
/**
 * How often it has answered.
 */
uses: number, 
/**
 * When it answered last.
 */
usedAtMs: UnixMs | null, 
/**
 * What it allows.
 */
content: RuleContent, };

/**
 * What a rule allows, in words and exactly.
 */
export type RuleContent = { 
/**
 * Its scope, in the words of the answer that made it.
 */
words: string, 
/**
 * What it allows.
 */
scope: RuleScope, };

/**
 * What a rule allows.
 */
export type RuleScope = { "kind": "command", 
/**
 * The words.
 */
words: Array<string>, 
/**
 * Whether the command must be these words and no more.
 */
exact: boolean, } | { "kind": "path", 
/**
 * Which sort.
 */
tool: ToolKind, 
/**
 * The file or directory, canonical.
 */
path: string, } | { "kind": "unknown" };

/**
 * What a participant may do.
 */
export type ParticipantRole = "editor" | "viewer";

/**
 * The value of a `participant` fact; it is in the feed of the session's owner and of every participant.
 */
export type Participant = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * The session.
 */
session: SessionId, 
/**
 * Who takes part; once for each session.
 */
account: AccountId, 
/**
 * What it may do.
 */
role: ParticipantRole, 
/**
 * Whether what it sends runs without the owner being asked, and whether its answers may allow something.
 */
trusted: boolean, 
/**
 * Whose session it is.
 */
owner: AccountId, 
/**
 * When it joined.
 */
joinedAtMs: UnixMs, 
/**
 * What people call them.
 */
content: ParticipantContent, };

/**
 * The names that go with a participant: to whom a session is shared, its owner's machine is nothing but a name.
 */
export type ParticipantContent = { 
/**
 * Of the participant.
 */
name: string, 
/**
 * Of the owner.
 */
ownerName: string, 
/**
 * Of the host that the session runs on.
 */
hostName: string, };

/**
 * What a command of a participant carries with it to the host, which checks it once more (W-083).
 */
export type ByParticipant = { 
/**
 * Who sent it.
 */
account: AccountId, 
/**
 * What it is called.
 */
name: string, 
/**
 * What it might do when it sent it.
 */
role: ParticipantRole, 
/**
 * Whether it was trusted then.
 */
trusted: boolean, 
/**
 * The owner's device that let it run; null while nobody has, or where nobody has to. As long as it is null and the participant is not
 * trusted, a prompt stays `queued` and is handed to no host.
 */
releasedBy: DeviceId | null, };

/**
 * Invites somebody who has an account on this hub to a session.
 */
export type NewSessionInvitation = { 
/**
 * As what.
 */
role: ParticipantRole, 
/**
 * Whether what it sends runs without the owner being asked.
 */
trusted: boolean, };

/**
 * Uses an invitation to a session.
 */
export type JoinSession = { 
/**
 * The link's secret.
 */
secret: string, };

/**
 * The session that an account takes part in now.
 */
export type JoinedSession = { 
/**
 * Which.
 */
session: SessionId, 
/**
 * As what.
 */
role: ParticipantRole, };

/**
 * Changes what a participant may do; what is null stays.
 */
export type ParticipantEdit = { 
/**
 * What it may do.
 */
role: ParticipantRole | null, 
/**
 * Whether what it sends runs without the owner being asked.
 */
trusted: boolean | null, };

/**
 * Who takes part in a session.
 */
export type ParticipantList = { 
/**
 * Who joined, oldest first.
 */
participants: Array<Participant>, 
/**
 * Invitations that nobody has used, oldest first; empty for everybody but the owner.
 */
invitations: Array<SessionInvitation>, };

/**
 * An invitation to a session that waits.
 */
export type SessionInvitation = { 
/**
 * Which.
 */
invitation: InvitationId, 
/**
 * As what.
 */
role: ParticipantRole, 
/**
 * Whether what it sends will run without the owner being asked.
 */
trusted: boolean, 
/**
 * When it was made.
 */
createdAtMs: UnixMs, 
/**
 * Until when it can be used.
 */
expiresAtMs: UnixMs, };

/**
 * The value of a `session` fact in the feed.
 */
export type Session = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * Who owns it.
 */
account: AccountId, 
/**
 * The host that owns it.
 */
host: DeviceId, 
/**
 * The project in which it runs.
 */
project: ProjectId, 
/**
 * The agent.
 */
agent: string, 
/**
 * The model that the next turn will use, as the agent names it; null for the agent's own default.
 */
model: string | null, 
/**
 * The permission mode, as the agent names it; null for the agent's own default.
 */
mode: string | null, 
/**
 * The effort that the next turn will use, as the agent names it; null for the agent's own default.
 */
effort: string | null, 
/**
 * What it is doing.
 */
activity: Activity, 
/**
 * Its newest turn.
 */
lastTurn: LastTurn | null, 
/**
 * Turns that wait behind the running one.
 */
queuedTurns: number, 
/**
 * What its agent goes on with in the background, such as commands and sub-agents; they may outlive the turns that began them.
 */
backgroundTasks: number, 
/**
 * When it was made.
 */
createdAtMs: UnixMs, 
/**
 * When something last happened in it.
 */
updatedAtMs: UnixMs, 
/**
 * When a person put it away; null while it is among the others. A new prompt takes it out again.
 */
archivedAtMs: UnixMs | null, 
/**
 * Turns that have ended, however they did: what a person has not read yet is counted from here.
 */
endedTurns: number, 
/**
 * What it goes on from, when it was forked.
 */
from?: Forked | null, 
/**
 * Its words.
 */
content: SessionContent, };

/**
 * What a session is doing.
 */
export type Activity = "starting" | "idle" | "working" | "needs_input" | "not_loaded" | "dead" | "archived" | "unknown";

/**
 * What a forked session goes on from.
 */
export type Forked = { 
/**
 * The session; it may have been deleted since.
 */
session: SessionId, 
/**
 * Its turn after which this session goes on; null for all of it.
 */
turn: TurnId | null, };

/**
 * The newest turn of a session.
 */
export type LastTurn = { 
/**
 * Which.
 */
id: TurnId, 
/**
 * Where it stands.
 */
state: TurnState, };

/**
 * The words of a session.
 */
export type SessionContent = { 
/**
 * Its title; made from the first prompt until somebody names it.
 */
title: string, 
/**
 * One line of what is happening now: the last words, the running tool, or what is asked.
 */
doing: string | null, };

/**
 * What a person changes about a session; null leaves a thing as it is.
 */
export type SessionEdit = { 
/**
 * Its title, from now on: neither the host nor the agent names it again.
 */
title: string | null, 
/**
 * Whether it is put away.
 */
archived: boolean | null, };

/**
 * The value of a `read_mark` fact: how far an account has read a session. The key is the session's id.
 */
export type ReadMark = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * Who has read.
 */
account: AccountId, 
/**
 * Which session.
 */
session: SessionId, 
/**
 * Ended turns that were read. What is unread: `max(0, endedTurns - readTurns)`.
 */
readTurns: number, };

/**
 * Says how far a person has read a session; a smaller number than before changes nothing.
 */
export type ReadTo = { 
/**
 * Ended turns that were read.
 */
readTurns: number, };

/**
 * The value of a `host` fact.
 */
export type Host = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * Whether it can be reached.
 */
presence: Presence, 
/**
 * Why it cannot, when it cannot and that is known (W-065); a fact of before there were reasons has none.
 */
reason: AwayReason | null, 
/**
 * Its generation: each start takes the next one, and an older one can change nothing (W-053).
 */
generation: number, 
/**
 * When it was last heard of.
 */
seenAtMs: UnixMs, 
/**
 * Turns that it runs at once.
 */
turnsAtOnce: number, 
/**
 * Whether devices beyond its own machine may come in; a fact of before there was the switch has none.
 */
remoteAccess: RemoteAccess, 
/**
 * What it says of itself.
 */
content: HostContent, };

/**
 * Whether a host can be reached.
 */
export type Presence = "online" | "stale" | "offline" | "disabled" | "revoked";

/**
 * Why a host cannot be reached (W-065). That the hub itself cannot be reached is the client's to say.
 */
export type AwayReason = "never_connected" | "stopped" | "lease_expired" | "remote_access_disabled" | "revoked" | "version_incompatible" | "fenced";

/**
 * The owner's switch for devices that are not on the host's own machine.
 */
export type RemoteAccess = "active" | "disabled";

/**
 * What a host says of itself.
 */
export type HostContent = { 
/**
 * The name that its person gave it.
 */
name: string, 
/**
 * Its system, such as `linux x86_64`.
 */
platform: string, 
/**
 * The version of Towline there.
 */
version: string, 
/**
 * The agents found there: the live catalogue.
 */
agents: Array<AgentEntry>, 
/**
 * Below which directory it makes new projects, as shown to people; null when it makes none.
 */
projectsRoot: string | null, };

/**
 * Where an agent's program is, whether it is one that Towline is tested with, and how it is logged in. What to do next stands in
 * [`crate::host::AgentEntry::hint`].
 */
export type AgentHealth = { 
/**
 * Its program, as shown to people: `~` stands for the home directory.
 */
program: string | null, 
/**
 * The versions that Towline is tested with; absent for an agent of which it knows none.
 */
tested: TestedVersions | null, 
/**
 * How it is logged in, as the vendor's own program says; absent where it does not say.
 */
login: Login | null, 
/**
 * How much of its vendor's limits it has used, as it last said; absent while it has said nothing.
 */
limits: AgentLimits | null, };

/**
 * How an agent is logged in. Never an account's name or address, and never a credential (W-074).
 */
export type Login = { 
/**
 * What kind of login it is.
 */
kind: LoginKind, 
/**
 * More about it in the vendor's words, such as the name of a plan.
 */
plan: string | null, };

/**
 * What kind of login an agent has.
 */
export type LoginKind = "subscription" | "api_key" | "cloud" | "none" | "other";

/**
 * The versions of an agent that Towline is tested with. What an agent can do is asked of it, so that others mostly work too.
 */
export type TestedVersions = { 
/**
 * The oldest.
 */
oldest: string, 
/**
 * The newest.
 */
newest: string, 
/**
 * Where the one that was found stands.
 */
standing: VersionStanding, };

/**
 * Where a version stands to those that are tested.
 */
export type VersionStanding = "tested" | "older" | "newer" | "unknown";

/**
 * What an agent last said of the limits of its login.
 */
export type AgentLimits = { 
/**
 * When it said so.
 */
toldAtMs: UnixMs, 
/**
 * The windows that it named, the shortest first; never empty.
 */
windows: Array<LimitWindow>, };

/**
 * A span of time in which only so much may be used.
 */
export type LimitWindow = { 
/**
 * How long it is, in minutes; null where the agent does not say.
 */
spanMinutes: number | null, 
/**
 * What it is for when it is not for everything, in the agent's words: a model's name.
 */
about: string | null, 
/**
 * How much of it is used, in percent; more than 100 when the vendor lets one go beyond. Null where the agent does not say.
 */
usedPercent: number | null, 
/**
 * When it begins anew; null where the agent does not say.
 */
resetsAtMs: UnixMs | null, 
/**
 * Where it stands.
 */
standing: LimitStanding, };

/**
 * Where a limit stands.
 */
export type LimitStanding = "open" | "near" | "reached" | "unknown";

/**
 * An agent in a host's catalogue. Names and ids only, never a credential (W-074).
 */
export type AgentEntry = { 
/**
 * What commands name it by: `claude`, `demo`, or the key of a configured ACP agent.
 */
id: string, 
/**
 * What people call it.
 */
name: string, 
/**
 * Its version, as it says.
 */
version: string | null, 
/**
 * Whether it can be started.
 */
state: AgentState, 
/**
 * What to do when it cannot.
 */
hint: string | null, 
/**
 * The models that it offers, as it reports them; empty until it has been asked.
 */
models: Array<Choice>, 
/**
 * The permission modes that may be chosen from afar, as it reports them.
 */
modes: Array<Choice>, 
/**
 * The efforts that may be chosen, from the smallest to the largest, as it reports them; empty when it has no such choice.
 */
efforts: Array<Effort>, 
/**
 * Where it is, whether it is tested, and how it is logged in.
 */
health: AgentHealth, 
/**
 * What it can do beyond a prompt after the other.
 */
abilities: Array<Ability>, 
/**
 * What it takes after a slash at the beginning of a prompt, as it reports it: commands and skills, its own and those of projects.
 */
commands: Array<SlashCommand>, };

/**
 * Whether an agent can be started.
 */
export type AgentState = "ready" | "logged_out" | "broken" | "missing";

/**
 * A model or mode to choose.
 */
export type Choice = { 
/**
 * What to send.
 */
id: string, 
/**
 * What to show.
 */
name: string, 
/**
 * What it is, in a line.
 */
description: string | null, };

/**
 * How hard an agent thinks, to choose.
 */
export type Effort = { 
/**
 * What to send.
 */
id: string, 
/**
 * What to show.
 */
name: string, 
/**
 * What it is, in a line.
 */
description: string | null, 
/**
 * The models that take it, by id; empty when every model does.
 */
models: Array<string>, };

/**
 * Something that not every agent can do.
 */
export type Ability = "steer" | "fork" | "fork_newest" | "defaults" | "unknown";

/**
 * Something that an agent takes after a slash.
 */
export type SlashCommand = { 
/**
 * What to write after the slash.
 */
name: string, 
/**
 * What it does, in a line.
 */
description: string, 
/**
 * What may be written behind it.
 */
hint: string | null, 
/**
 * The only project that has it; null when it is there in all of them.
 */
project: ProjectId | null, };

/**
 * The value of a `project` fact.
 */
export type Project = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * The host on which it is.
 */
host: DeviceId, 
/**
 * Whether the directory is there and allowed.
 */
available: boolean, 
/**
 * When it was registered.
 */
createdAtMs: UnixMs, 
/**
 * What it is called.
 */
content: ProjectContent, };

/**
 * What a project is called.
 */
export type ProjectContent = { 
/**
 * The last part of its directory, or the name that its person gave it.
 */
name: string, 
/**
 * The directory as shown to people: `~` stands for the home directory.
 */
path: string, };

/**
 * The value of a `device` fact.
 */
export type Device = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * Whose it is.
 */
account: AccountId, 
/**
 * What it is.
 */
kind: DeviceKind, 
/**
 * What it may do.
 */
rights: Array<Right>, 
/**
 * The Ed25519 public key, base64url without padding; null where the platform has none, which marks it as unable to seal.
 */
publicKey: string | null, 
/**
 * When it was enrolled.
 */
createdAtMs: UnixMs, 
/**
 * When its credential was taken back.
 */
revokedAtMs: UnixMs | null, 
/**
 * What it is called.
 */
content: DeviceContent, };

/**
 * What a device is.
 */
export type DeviceKind = "node" | "browser" | "program";

/**
 * What a device may do. Whatever is not listed is denied (W-073).
 */
export type Right = "read" | "prompt" | "approve" | "manage";

/**
 * What a device is called.
 */
export type DeviceContent = { 
/**
 * Its name, which its person may change.
 */
name: string, 
/**
 * Its system and program, such as `iPhone · Safari`.
 */
platform: string, };

/**
 * A command as a client sends it. Who sends it, when, and what becomes of it are the hub's to say (W-056, W-077).
 */
export type CommandRequest = { 
/**
 * Minted by the client; the same id with the same body is the same command, for ever (W-011).
 */
id: CommandId, 
/**
 * The host that is to act; no other will (W-009).
 */
host: DeviceId, 
/**
 * How long the command may wait before it starts, in milliseconds from its arrival; null for the default.
 */
ttlMs: number | null, 
/**
 * The command that this one is another try of, made by a person (W-013): it must be over, and it is tried again once; a second try
 * is refused with `already_retried`. Null for what is no try.
 */
retryOf?: CommandId | null, 
/**
 * What to do.
 */
body: CommandBody, };

/**
 * What a command asks for: an explicit allow-list.
 */
export type CommandBody = { "kind": "start_session", 
/**
 * Minted by the client, so that it can open the session at once.
 */
session: SessionId, 
/**
 * Where it runs; with `new_project` an id that the client has minted, too.
 */
project: ProjectId, 
/**
 * Whether its host is to make the project, below the directory that it keeps for that (`projects_root` of its fact); a host without
 * one fails the command with `new_projects_off`. A project of this id that is there is used, so that another try makes no second one.
 */
newProject?: boolean, 
/**
 * Which agent, by its id in the host's catalogue.
 */
agent: string, 
/**
 * Which model; null for the agent's default.
 */
model: string | null, 
/**
 * Which permission mode; null for the agent's default. Modes that bypass approval are refused unless the host allows them.
 */
mode: string | null, 
/**
 * How hard it thinks, one of the efforts that the host's catalogue names for the agent; null for the agent's default.
 */
effort?: string | null, 
/**
 * The words.
 */
content: StartContent, } | { "kind": "fork_session", 
/**
 * Minted by the client, so that it can open the session at once.
 */
session: SessionId, 
/**
 * The session that it goes on from.
 */
from: SessionId, 
/**
 * The turn after which it goes on; null for all that the agent remembers.
 */
after: TurnId | null, 
/**
 * The words.
 */
content: StartContent, } | { "kind": "send_prompt", 
/**
 * Which session.
 */
session: SessionId, 
/**
 * The words.
 */
content: PromptContent, } | { "kind": "cancel_turn", 
/**
 * Which session.
 */
session: SessionId, 
/**
 * Which turn; null for the running one.
 */
turn: TurnId | null, } | { "kind": "answer_approval", 
/**
 * Which session.
 */
session: SessionId, 
/**
 * Which approval.
 */
approval: ApprovalId, 
/**
 * Which of its options.
 */
option: string, 
/**
 * The words.
 */
content: AnswerContent, } | { "kind": "edit_prompt", 
/**
 * Which session.
 */
session: SessionId, 
/**
 * Which turn.
 */
turn: TurnId, 
/**
 * The words.
 */
content: EditContent, } | { "kind": "move_prompt", 
/**
 * Which session.
 */
session: SessionId, 
/**
 * Which turn.
 */
turn: TurnId, 
/**
 * The turn before which it is to run; null for the end of the line.
 */
before: TurnId | null, } | { "kind": "steer_prompt", 
/**
 * Which session.
 */
session: SessionId, 
/**
 * Which turn.
 */
turn: TurnId, } | { "kind": "set_options", 
/**
 * Which session.
 */
session: SessionId, 
/**
 * Which model; an empty word goes back to the agent's own default.
 */
model: string | null, 
/**
 * Which permission mode.
 */
mode: string | null, 
/**
 * Which effort; an empty word goes back to the agent's own default.
 */
effort?: string | null, };

/**
 * The words of `start_session`.
 */
export type StartContent = { 
/**
 * The title; null to make one from the prompt.
 */
title: string | null, 
/**
 * What a new project is to be called; null for a name that its host makes up. Letters, digits, spaces and `-_.`, beginning with a letter
 * or a digit.
 */
projectName?: string | null, 
/**
 * The first prompt.
 */
text: string | null, 
/**
 * Files that go with the first prompt; without one there are none.
 */
attachments: Array<Attachment>, };

/**
 * The words of `send_prompt`.
 */
export type PromptContent = { 
/**
 * The prompt; may be empty when files go with it.
 */
text: string, 
/**
 * Files that go with it.
 */
attachments: Array<Attachment>, };

/**
 * The words of `edit_prompt`.
 */
export type EditContent = { 
/**
 * The prompt, as it is to be from now on.
 */
text: string, };

/**
 * The words of `answer_approval`.
 */
export type AnswerContent = { 
/**
 * What to tell the agent, with a refusal.
 */
message: string | null, 
/**
 * The answers, by question.
 */
answers: { [key in string]: string }, 
/**
 * The hash of what was shown (`content.shown` of the approval): an answer that consents without it is refused, and one with
 * another fails with `approval_changed`.
 */
shown: string | null, };

/**
 * The kind of a command.
 */
export type CommandKind = "start_session" | "fork_session" | "send_prompt" | "cancel_turn" | "answer_approval" | "edit_prompt" | "move_prompt" | "steer_prompt" | "set_options";

/**
 * The value of a `command` fact.
 */
export type Command = { 
/**
 * The version of this shape.
 */
v: number, 
/**
 * What it asks for.
 */
kind: CommandKind, 
/**
 * The host that is to act.
 */
host: DeviceId, 
/**
 * The session that it is about.
 */
session: SessionId, 
/**
 * The turn that came of it.
 */
turn: TurnId | null, 
/**
 * Who sent it.
 */
sender: Sender, 
/**
 * Of a command of a participant: what its host checks. Null for what the owner of the session sent.
 */
participant?: ByParticipant | null, 
/**
 * Where it stands.
 */
state: CommandState, 
/**
 * How often it was leased.
 */
attempt: number, 
/**
 * The command that it is another try of.
 */
retryOf?: CommandId | null, 
/**
 * How often it was tried by itself without having started, and when the next try is due; null while every try has started.
 */
tried?: Tried | null, 
/**
 * Its place in its host's line while it is queued: among the queued commands of one host, the smaller one goes first. Places are
 * compared and nothing else; null once it is queued no more.
 */
place?: number | null, 
/**
 * When the hub stored it.
 */
createdAtMs: UnixMs, 
/**
 * When it expires if it has not started.
 */
expiresAtMs: UnixMs, 
/**
 * When its state last changed.
 */
updatedAtMs: UnixMs, 
/**
 * Why it failed.
 */
error: CommandError | null, 
/**
 * Its words.
 */
content: CommandContent, };

/**
 * Where a command stands.
 */
export type CommandState = "queued" | "leased" | "running" | "succeeded" | "failed" | "expired" | "cancelled" | "indeterminate";

/**
 * Why a command failed.
 */
export type CommandError = { 
/**
 * The reason, stable.
 */
code: ErrorCode, 
/**
 * Whether sending it again as a new command may help.
 */
retryable: boolean, };

/**
 * The words of a command.
 */
export type CommandContent = { 
/**
 * The prompt that it carries.
 */
text: string | null, 
/**
 * What was said of the error.
 */
detail: string | null, 
/**
 * The files that go with the prompt. A row that an older program has written has none.
 */
attachments: Array<Attachment>, };

/**
 * How often a command was tried without having started.
 */
export type Tried = { 
/**
 * How many tries came to nothing; grows, and is never forgotten while the command is known.
 */
times: number, 
/**
 * Why the last one did.
 */
code: ErrorCode, 
/**
 * When the next try is due, by the clock of the machine; null when there is none: it has started, or the last try was the last.
 */
nextAtMs: UnixMs | null, };

/**
 * What went wrong, stable for ever.
 */
export type ErrorCode = "agent_died" | "agent_not_started" | "agent_unavailable" | "already_retried" | "approval_changed" | "approval_not_pending" | "attachment_missing" | "bad_request" | "body_too_large" | "command_conflict" | "command_not_cancellable" | "command_too_old" | "disk_full" | "expired" | "forbidden" | "host_lost" | "host_not_allowed" | "host_revoked" | "internal" | "invalid" | "lease_lost" | "link_cloned" | "link_replaced" | "link_restored" | "media_unsupported" | "mode_not_allowed" | "model_unavailable" | "new_projects_off" | "not_found" | "offset_gone" | "offset_invalid" | "origin_not_allowed" | "pairing_invalid" | "pairing_rejected" | "project_exists" | "project_unavailable" | "queue_full" | "quota_exceeded" | "rate_limited" | "remote_access_disabled" | "resync_required" | "session_exists" | "shutting_down" | "store_broken" | "turn_started" | "unauthenticated" | "unsupported" | "upgrade_required" | "upload_offset";

/**
 * The body of an error over HTTP, and in an `error` frame of the socket: `application/problem+json`.
 */
export type Problem = { 
/**
 * The HTTP status.
 */
status: number, 
/**
 * The code.
 */
code: ErrorCode, 
/**
 * What happened, in a few words for people.
 */
title: string, 
/**
 * What happened this time; null when the title says it all.
 */
detail: string | null, 
/**
 * What to do next.
 */
hint: string, 
/**
 * The request, for the log; null where there is none.
 */
requestId: string | null, };

/**
 * What a client says.
 */
export type ClientFrame = { "type": "hello", 
/**
 * The oldest version that the client speaks.
 */
protocolMin: number, 
/**
 * The newest version that the client speaks.
 */
protocolMax: number, 
/**
 * Named things that the client can do; unknown ones are ignored.
 */
capabilities: Array<string>, 
/**
 * The client's program and version, for logs.
 */
client: string, } | { "type": "subscribe", 
/**
 * The number that frames of this subscription will carry; not in use on this socket.
 */
sub: number, 
/**
 * Which stream.
 */
stream: StreamPath, 
/**
 * From where.
 */
from: From, } | { "type": "unsubscribe", 
/**
 * Which.
 */
sub: number, } | { "type": "command", 
/**
 * The number that the answer will carry.
 */
req: number, 
/**
 * The command.
 */
command: CommandRequest, } | { "type": "cancel_command", 
/**
 * The number that the answer will carry.
 */
req: number, 
/**
 * Which command.
 */
command: CommandId, } | { "type": "ping", 
/**
 * The number that the answer will carry.
 */
req: number, };

/**
 * From where a subscription begins: `"start"`, `"now"`, or an offset.
 */
export type From = "start" | "now" | (string & {});

/**
 * What the hub says.
 */
export type ServerFrame = { "type": "welcome", 
/**
 * The version that both will speak.
 */
protocol: number, 
/**
 * Named things that the hub can do.
 */
capabilities: Array<string>, 
/**
 * Whose device the client is.
 */
account: AccountId, 
/**
 * Which device the client is.
 */
device: DeviceId, 
/**
 * The host in this node; null for a hub without one.
 */
host: DeviceId | null, 
/**
 * The hub's clock.
 */
hubAtMs: UnixMs, 
/**
 * How often the hub says something on a quiet socket, in milliseconds.
 */
heartbeatMs: number, 
/**
 * The version of Towline there; a web page of another version should reload itself.
 */
version: string, } | { "type": "subscribed", 
/**
 * Which.
 */
sub: number, 
/**
 * From where the batches will begin.
 */
next: Offset, 
/**
 * Where the stream ended at that moment.
 */
tail: Offset, } | { "type": "batch", 
/**
 * Which.
 */
sub: number, 
/**
 * The messages, exactly as they stand in the stream.
 */
messages: unknown[], 
/**
 * The offset behind the last of them: from here the subscription goes on after a reconnect.
 */
next: Offset, 
/**
 * Whether that was the stream's end when it was read.
 */
upToDate: boolean, } | { "type": "ended", 
/**
 * Which.
 */
sub: number, 
/**
 * Why.
 */
reason: EndReason, 
/**
 * Where it ended; null when it never began.
 */
next: Offset | null, } | { "type": "unsubscribed", 
/**
 * Which.
 */
sub: number, } | { "type": "ack", 
/**
 * The number of the request.
 */
req: number, 
/**
 * The command.
 */
command: CommandId, 
/**
 * Where it stands.
 */
state: CommandState, 
/**
 * When it expires.
 */
expiresAtMs: UnixMs, } | { "type": "pong", 
/**
 * The number of the request.
 */
req: number, 
/**
 * The hub's clock.
 */
hubAtMs: UnixMs, } | { "type": "heartbeat", 
/**
 * The hub's clock.
 */
hubAtMs: UnixMs, } | { "type": "error", 
/**
 * The number of the request; null when it was not one.
 */
req: number | null, 
/**
 * The number of the subscription, when it was about one.
 */
sub: number | null, 
/**
 * What was wrong.
 */
problem: Problem, } | { "type": "unknown" };

/**
 * Why a subscription is over.
 */
export type EndReason = "closed" | "deleted" | "reset" | "forbidden" | "failed";

/**
 * Asks to be enrolled: by the secret of a QR code (from the URL's fragment), or by a typed code.
 */
export type ClaimRequest = { 
/**
 * The typed code (case, spaces and hyphens do not matter), or the QR code's secret.
 */
code: string, 
/**
 * What the device calls itself.
 */
name: string, 
/**
 * Its system and program.
 */
platform: string, 
/**
 * What it is: `browser` gets a cookie, `program` a bearer credential.
 */
kind: DeviceKind, 
/**
 * Its Ed25519 public key, base64url without padding, where the platform has one.
 */
publicKey: string | null, };

/**
 * A node wants to be linked: with a code that was made here, or with one that it shows and somebody here types.
 */
export type NodeClaimRequest = { 
/**
 * The typed code, or the QR code's secret; null to be given one to show.
 */
code: string | null, 
/**
 * What the node calls itself.
 */
name: string, 
/**
 * Its system and program.
 */
platform: string, 
/**
 * Its own id, which it keeps here.
 */
device: DeviceId, 
/**
 * Its Ed25519 public key, base64url without padding.
 */
publicKey: string, 
/**
 * What proves that it has the key: its signature of [`NodeClaimRequest::signed`], base64url without padding.
 */
signature: string, };

/**
 * The node is known; somebody here must confirm.
 */
export type NodeClaimResponse = { 
/**
 * The enrolment.
 */
pairing: PairingId, 
/**
 * What proves in `POST /v1/pairings/status` that this node made the claim.
 */
claimToken: string, 
/**
 * Two words that both screens show.
 */
words: string, 
/**
 * The code to show, which somebody here types; null for a claim with a code.
 */
code: string | null, 
/**
 * Until when it can be confirmed.
 */
expiresAtMs: UnixMs, };

/**
 * The code that a node shows.
 */
export type NodeCode = { 
/**
 * The code; case, spaces and hyphens do not matter.
 */
code: string, };

/**
 * The request is known; the host must confirm.
 */
export type ClaimResponse = { 
/**
 * The enrolment.
 */
pairing: PairingId, 
/**
 * What proves in `POST /v1/pairings/status` that this device made the claim.
 */
claimToken: string, 
/**
 * Two words that both screens show, so that people can see that it is the same request.
 */
words: string, 
/**
 * Until when it can be confirmed.
 */
expiresAtMs: UnixMs, };

/**
 * Asks what became of a claim.
 */
export type ClaimStatusRequest = { 
/**
 * The enrolment.
 */
pairing: PairingId, 
/**
 * The claim's token.
 */
claimToken: string, 
/**
 * How long to wait for a change, in milliseconds; at most 20 000.
 */
waitMs: number, };

/**
 * What became of a claim.
 */
export type ClaimStatus = { "state": "pending" } | { "state": "approved", 
/**
 * The device.
 */
device: DeviceId, 
/**
 * The bearer credential, for a program.
 */
credential: string | null, } | { "state": "rejected" } | { "state": "expired" };

/**
 * Makes a pairing code.
 */
export type NewPairing = { 
/**
 * Whether the first claim is confirmed by itself, while the account has no other browser or program yet.
 */
once: boolean, };

/**
 * A pairing code, told once.
 */
export type PairingOffer = { 
/**
 * The enrolment.
 */
pairing: PairingId, 
/**
 * The code to type, `XXXX-XXXX`.
 */
code: string, 
/**
 * The secret of the QR code; belongs in a URL's fragment, never in its query.
 */
secret: string, 
/**
 * Until when it can be used.
 */
expiresAtMs: UnixMs, };

/**
 * Enrolments that wait for a confirmation.
 */
export type PairingList = { 
/**
 * The claims, oldest first.
 */
claims: Array<PairingClaim>, };

/**
 * A device that waits for a confirmation.
 */
export type PairingClaim = { 
/**
 * The enrolment.
 */
pairing: PairingId, 
/**
 * What the device calls itself.
 */
name: string, 
/**
 * Its system and program.
 */
platform: string, 
/**
 * What it is; an older hub lets in no nodes and does not say.
 */
kind: DeviceKind, 
/**
 * The fingerprint of its key, where it has one: what both screens show of it.
 */
fingerprint: string | null, 
/**
 * The address it came from.
 */
source: string, 
/**
 * The words that its screen shows.
 */
words: string, 
/**
 * Until when it can be confirmed.
 */
expiresAtMs: UnixMs, };

/**
 * Confirms or refuses a device.
 */
export type PairingAnswer = { 
/**
 * Whether it may come in.
 */
allow: boolean, };

/**
 * A link whose secret is told once: it belongs behind the `#` of `/pair`, or of `/join` for an invitation, never into a query.
 */
export type SecretLink = { 
/**
 * The secret.
 */
secret: string, 
/**
 * Until when it can be used, once.
 */
expiresAtMs: UnixMs, };

/**
 * Invites somebody to have an account of their own.
 */
export type NewInvitation = { 
/**
 * What the account will be called; null for the name of its first device. At most 120 characters.
 */
name: string | null, };

/**
 * An invitation, told once.
 */
export type InvitationOffer = { 
/**
 * Which.
 */
invitation: InvitationId, 
/**
 * The way in, which makes the account and its first device.
 */
link: SecretLink, };

/**
 * Invitations that nobody has used yet, oldest first.
 */
export type InvitationList = { 
/**
 * The invitations.
 */
invitations: Array<Invitation>, };

/**
 * An invitation that waits.
 */
export type Invitation = { 
/**
 * Which.
 */
invitation: InvitationId, 
/**
 * What the account will be called, if that was said.
 */
name: string | null, 
/**
 * When it was made.
 */
createdAtMs: UnixMs, 
/**
 * Until when it can be used.
 */
expiresAtMs: UnixMs, };

/**
 * The accounts of a hub, oldest first.
 */
export type AccountList = { 
/**
 * The accounts.
 */
accounts: Array<Account>, };

/**
 * An account as the owner of its hub sees it: what it takes, never what is in it.
 */
export type Account = { 
/**
 * Which.
 */
account: AccountId, 
/**
 * What it is called; empty where nobody said.
 */
name: string, 
/**
 * Whether it is the owner's own.
 */
owner: boolean, 
/**
 * When it was made.
 */
createdAtMs: UnixMs, 
/**
 * Devices that are not revoked.
 */
devices: number, 
/**
 * When it was last there: now while one of its devices has a live socket, else its newest entry in the audit trail; null
 * for never.
 */
seenAtMs: UnixMs | null, 
/**
 * Bytes that the hub keeps of it: its feed, its journals and its files.
 */
bytes: number, };

/**
 * Remote access as it is now.
 */
export type Access = { 
/**
 * The switch.
 */
state: RemoteAccess, 
/**
 * Devices beyond the machine that have a live socket.
 */
clients: number, 
/**
 * Whether whoever asks is on the machine itself, where alone the switch is turned.
 */
here: boolean, };

/**
 * Turns the switch of remote access.
 */
export type AccessEdit = { 
/**
 * What it is to be.
 */
state: RemoteAccess, };

/**
 * Who the caller is.
 */
export type Me = { 
/**
 * The account.
 */
account: AccountId, 
/**
 * The device.
 */
device: DeviceId, 
/**
 * What it is.
 */
about: Device, 
/**
 * The host in this node; null for a hub without one.
 */
host: DeviceId | null, 
/**
 * The version of Towline.
 */
version: string, 
/**
 * Whether this account may invite others to this hub; an older hub does not say, and has one account only.
 */
invites: boolean, };

/**
 * The newest fact of each row of the account's feed, and the offset at which they stand: subscribe to the feed from there.
 */
export type Lists = { 
/**
 * The feed's facts. Sessions: the newest 500 and every one that is not idle. Commands: the newest 100 and every one that has
 * not ended. Approvals: the newest 100 and every one that waits.
 */
facts: unknown[], 
/**
 * Where they stand.
 */
offset: Offset, };

/**
 * A page of a session's settled facts, cut from the end.
 */
export type TranscriptPage = { 
/**
 * Facts of the journal, in the journal's order. A fact that a later one of the same type and key replaces may be left out.
 */
facts: unknown[], 
/**
 * The offset before which the next older page ends; null when there is none.
 */
before: Offset | null, 
/**
 * The offset behind the newest fact that was considered: subscribe to the journal from here (first page only).
 */
tail: Offset, 
/**
 * First page only: the newest facts of the turns that are not over and of the approvals that wait, whatever page they are
 * on, so that their turn streams can be joined. As new as `facts` or newer: apply them after `facts`.
 */
open: unknown[], };

/**
 * Where a command stands.
 */
export type CommandAck = { 
/**
 * The command.
 */
command: CommandId, 
/**
 * Where it stands.
 */
state: CommandState, 
/**
 * The turn that came of it.
 */
turn: TurnId | null, 
/**
 * When it expires.
 */
expiresAtMs: UnixMs, 
/**
 * Why it failed.
 */
error: ErrorCode | null, 
/**
 * What was said of the error.
 */
detail: string | null, };

/**
 * Changes a command that is queued; null leaves a part as it is.
 */
export type CommandEdit = { 
/**
 * Other words; files and everything else stay.
 */
text: string | null, 
/**
 * How long it may wait from now on, in milliseconds; seven days from its arrival at most.
 */
ttlMs: number | null, };

/**
 * Moves a command that is queued to another place in the line of its host.
 */
export type CommandMove = { 
/**
 * The queued command of the same host before which it is to go; null for the end of the line.
 */
before: CommandId | null, };

/**
 * Lets a participant's prompt run. The body may be left out for one whose words are as they were sent.
 */
export type CommandRelease = { 
/**
 * The `updatedAtMs` of the command as it was shown to whoever lets it run; `approval_changed` when its words are others by now. Needed for
 * one whose words were changed after it was sent.
 */
updatedAtMs: UnixMs | null, };

/**
 * The account's devices.
 */
export type DeviceList = { 
/**
 * The devices, oldest first.
 */
devices: Array<DeviceRow>, };

/**
 * A device of the account.
 */
export type DeviceRow = { 
/**
 * Which.
 */
device: DeviceId, 
/**
 * What it is.
 */
about: Device, 
/**
 * Whether it has a live socket now.
 */
connected: boolean, };

/**
 * Who did what, when, and how it went.
 */
export type AuditEntry = { 
/**
 * The entry.
 */
id: AuditId, 
/**
 * When.
 */
atMs: UnixMs, 
/**
 * Who; null before anybody is known (a wrong pairing code).
 */
account: AccountId | null, 
/**
 * From which device.
 */
device: DeviceId | null, 
/**
 * From which address.
 */
source: string | null, 
/**
 * What, as a stable word (`command.send_prompt`, `pairing.claim`, `device.revoke`, …).
 */
action: string, 
/**
 * On what: an id.
 */
target: string | null, 
/**
 * On which host.
 */
host: DeviceId | null, 
/**
 * How it went: `ok`, or an error code.
 */
outcome: string, 
/**
 * The size of what was said, in bytes; the words themselves are not kept (N-20).
 */
contentBytes: number | null, 
/**
 * What a host said of a decision of its own; the hub keeps it and does not look into it. An older program kept none.
 */
content: AuditContent | null, };

/**
 * What a host says of a decision.
 */
export type AuditContent = { 
/**
 * The hash of what was shown, or would have been.
 */
shown: string | null, 
/**
 * What it was decided by: the rule in words, or the line of the policy; null for a person.
 */
because: string | null, };

/**
 * A page of the audit trail, newest first.
 */
export type AuditPage = { 
/**
 * The entries.
 */
entries: Array<AuditEntry>, 
/**
 * Where the next older page begins; null when there is none.
 */
before: AuditId | null, };

/**
 * The answer of `GET /v1/health`.
 */
export type HealthReport = { 
/**
 * Everything that was looked at, in the order to show it.
 */
findings: Array<Finding>, 
/**
 * When.
 */
checkedAtMs: UnixMs, };

/**
 * One thing that was looked at.
 */
export type Finding = { 
/**
 * What it is about, as a stable word (`disk.space`, `agent.claude`, …).
 */
id: string, 
/**
 * How it is.
 */
level: FindingLevel, 
/**
 * What was found, in one line.
 */
title: string, 
/**
 * More about it.
 */
detail: string | null, 
/**
 * What to do next.
 */
next: string | null, };

/**
 * How a thing is.
 */
export type FindingLevel = "ok" | "warning" | "problem";

/** A change message: what every stream of ours carries. `value` is absent exactly on delete. */
export type Change<T extends string, V> = { type: T, key: string, value?: V, headers: Headers };

/** A fact of a session: in its journal, or in the turn stream of one of its turns. */
export type SessionFact = Change<"turn", Turn> | Change<"item", Item> | Change<"delta", Delta> | Change<"approval", Approval>;

/** A fact of an account's feed. */
export type FeedFact = Change<"host", Host> | Change<"project", Project> | Change<"session", Session> | Change<"command", Command> | Change<"approval", Approval> | Change<"device", Device> | Change<"read_mark", ReadMark> | Change<"rule", Rule> | Change<"participant", Participant>;

/** The versions of the socket's protocol that this program speaks. */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;

/** Limits; their reasons stand in `protocol/src/limits.rs`. */
export const LIMITS = {
  heartbeatMs: 15000,
  silenceMs: 45000,
  maxReconnectMs: 30000,
  ackTimeoutMs: 30000,
  maxPromptBytes: 262144,
  maxAttachments: 10,
  maxBlobBytes: 25000000,
  maxUploadPieceBytes: 1048576,
  maxNameChars: 120,
  commandTtlMs: 300000,
  maxTries: 3,
  maxSubscriptions: 256,
  defaultItemsPage: 60,
} as const;

/** Codes with which the hub closes a socket. */
export const CLOSE = {
  bad_frame: 4400,
  auth_expired: 4401,
  forbidden: 4403,
  resync_required: 4408,
  too_large: 4413,
  upgrade_required: 4426,
  draining: 4503,
} as const;
