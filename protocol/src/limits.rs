//! Every limit, with its unit and its reason. A limit that is not here does not exist.

/// Longest path of a stream, in bytes. Keeps keys and log lines short.
pub const MAX_STREAM_PATH_BYTES: usize = 512;
/// Largest body of one append over HTTP, in bytes (N-24 allows 8–25 MiB).
pub const MAX_APPEND_BYTES: usize = 8 * 1024 * 1024;
/// Most messages in one append to a JSON stream over HTTP. Each costs a few hundred bytes until it is on disk, however small it is.
pub const MAX_APPEND_MESSAGES: usize = 100_000;
/// Most bytes in one page of a stream, in bytes. One page is held in memory per reader.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;
/// Most messages in one page of a stream.
pub const MAX_PAGE_MESSAGES: usize = 4096;
/// Largest frame a client may send before it has authenticated, in bytes (N-24).
pub const MAX_PREAUTH_FRAME_BYTES: usize = 64 * 1024;
/// Largest frame a client may send on its socket, in bytes: a prompt of the largest size, escaped, fits.
pub const MAX_SOCKET_FRAME_BYTES: usize = 1024 * 1024;
/// Most bytes of messages in one `batch` frame that the hub sends, in bytes: all that waits in memory for one slow client, since the
/// hub reads no page before the last one was taken (N-21 allows 256 frames and 4 MiB).
pub const MAX_BATCH_BYTES: usize = 256 * 1024;
/// Most subscriptions on one socket: a list, and every session and turn that a person could have open.
pub const MAX_SUBSCRIPTIONS: usize = 256;
/// Longest a hub waits for `hello` on a new socket, in milliseconds (N-25).
pub const HELLO_TIMEOUT_MS: u64 = 10_000;
/// How often the hub says something on a quiet socket, in milliseconds (N-14); both sides take three missed ones for a dead path.
pub const HEARTBEAT_MS: u64 = 15_000;
/// Longest a socket may be silent before either side closes it, in milliseconds (W-048: both sides detect within 45 s).
pub const SILENCE_MS: u64 = 45_000;
/// Longest a hub waits for a client to take a frame before it closes the socket with `resync_required`, in milliseconds.
pub const SEND_TIMEOUT_MS: u64 = 10_000;
/// Longest pause between two attempts to reconnect, in milliseconds, before jitter (N-25).
pub const MAX_RECONNECT_MS: u64 = 30_000;
/// Longest a client waits for the ack of a command, in milliseconds (N-08); the ack does not wait for the turn.
pub const ACK_TIMEOUT_MS: u64 = 30_000;

/// How often a linked node renews the lease of its host, in milliseconds (issue "Many machines": renew 15 s).
pub const LINK_RENEW_MS: u64 = 15_000;
/// How long a host is online after a renewal, in milliseconds (issue "Many machines": TTL 45 s, so that one lost renewal is none).
pub const LINK_TTL_MS: u64 = 45_000;
/// How long after a renewal a host is shown as stale, in milliseconds: two renewals are missing, and 5 s to spare (W-052: one lost
/// renewal is not seen).
pub const LINK_STALE_MS: u64 = 35_000;
/// Longest either side of a link waits for an answer before it takes the path for dead, in milliseconds (issue "Many machines": a dead
/// link is found in 10 s in use).
pub const LINK_ANSWER_MS: u64 = 10_000;
/// Largest frame on a link, in bytes: a page of the largest messages, escaped, fits.
pub const MAX_LINK_FRAME_BYTES: usize = 16 * 1024 * 1024;
/// Longest the hub keeps a request that waits for what comes over a polled link, in milliseconds: most of what is on the way holds an answer
/// back for 30 s and more.
pub const MAX_POLL_MS: u64 = 20_000;
/// Most frames of a polled link in one request, and most that wait at the hub until they are fetched; neither side says more than a few
/// without an answer.
pub const MAX_POLLED_FRAMES: usize = 64;
/// Most bytes of the frames that wait at the hub for one polled link, in bytes, unless it is a single one: as many as wait in a socket to be
/// written.
pub const MAX_POLLED_BYTES: usize = 2 * MAX_LINK_FRAME_BYTES;
/// Most bytes of messages in one push, in bytes, unless a single message is larger: all that waits in memory for one node.
pub const MAX_PUSH_BYTES: usize = 1024 * 1024;
/// Most pieces in one push: a thousand turns that say something in the same moment go in one.
pub const MAX_PUSH_PIECES: usize = 1_024;
/// Most streams in one `replicas` frame.
pub const MAX_REPLICAS_PAGE: usize = 1_000;

/// Longest prompt, in bytes of UTF-8.
pub const MAX_PROMPT_BYTES: usize = 256 * 1024;
/// Longest name of a device or title of a session, in characters.
pub const MAX_NAME_CHARS: usize = 120;
/// Longest name of a new project, in characters: in UTF-8 it fits into the 255 bytes that file systems give a name, with a number behind it.
pub const MAX_PROJECT_NAME_CHARS: usize = 60;
/// Requests that a device may make at once, over HTTP (W-092): all pieces of ten of the largest files, four times over, and a UI
/// that loads meanwhile.
pub const REQUEST_BURST: u64 = 1_500;
/// Requests a second that a device may go on with, over HTTP (W-092): far beyond people and polling scripts, far below a loop that
/// has run wild (thousands).
pub const REQUESTS_PER_SECOND: u64 = 200;
/// Most files with one prompt (issue "The first hour": what a person attaches by hand).
pub const MAX_ATTACHMENTS: usize = 10;
/// Largest file that can be attached, in bytes (issue "The first hour": at most 25 MB).
pub const MAX_BLOB_BYTES: u64 = 25_000_000;
/// Largest image that is put into a prompt itself, in bytes: 5 MB in base64, which vendors take; a larger one is handed over as a file.
pub const MAX_PROMPT_IMAGE_BYTES: u64 = 3_750_000;
/// Largest piece of an upload, in bytes: what is sent again at most when a connection breaks, and held in memory meanwhile.
pub const MAX_UPLOAD_PIECE_BYTES: usize = 1024 * 1024;
/// Life of an upload that is not whole, in milliseconds from its beginning (24 h): a phone that lost its network has a day.
pub const UPLOAD_TTL_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a whole file that no session uses is kept, in milliseconds: a prompt may wait for seven days, and a day to spare.
pub const UNUSED_BLOB_MS: u64 = 8 * 24 * 60 * 60 * 1000;
/// Most uploads of one account that are not whole: ten files of two prompts.
pub const MAX_OPEN_UPLOADS: usize = 20;
/// Most bytes of files that one account keeps, those announced and not whole included (W-092): forty of the largest.
pub const MAX_ACCOUNT_BLOB_BYTES: u64 = 1_000_000_000;
/// How often a command is tried by itself that provably never started (issue "Many machines": 3 tries).
pub const MAX_TRIES: u32 = 3;
/// Usual pauses between two of them, in milliseconds: an agent that updates itself is back within seconds, and a person who looks on does
/// not wait much longer for an answer.
pub const RETRY_PAUSES_MS: [u64; 2] = [1_000, 4_000];
/// Default life of a command that waits, in milliseconds (N-17).
pub const COMMAND_TTL_MS: u64 = 5 * 60 * 1000;
/// Longest life of a command from its arrival, in milliseconds (7 days): a host that is off over a week of holidays.
pub const MAX_COMMAND_TTL_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How long a command id is remembered after its end, in milliseconds (N-26: at least 24 h).
pub const COMMAND_MEMORY_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Oldest id under which a new command is taken in, in milliseconds (6 days, by the hub's clock and that of whoever minted the id): an
/// older one may be of a command that has run and is forgotten. A day less than the memory, so that a clock may be wrong by hours.
pub const MAX_COMMAND_AGE_MS: u64 = COMMAND_MEMORY_MS - 24 * 60 * 60 * 1000;
/// Most commands that wait for one host (W-092).
pub const MAX_QUEUED_COMMANDS: usize = 100;
/// Most prompts of one session whose turns have not begun (W-092): as many as a person could look over.
pub const MAX_WAITING_PROMPTS: usize = 100;
/// Turns that run at once on one host, unless configured (N-15).
pub const DEFAULT_TURNS_AT_ONCE: usize = 5;

/// Random bits of a typed pairing code: eight characters of 32 letters (W-070: at least 40).
pub const PAIRING_CODE_BITS: u32 = 40;
/// Life of a pairing code, in milliseconds (W-070: at most ten minutes).
pub const PAIRING_TTL_MS: u64 = 10 * 60 * 1000;
/// Wrong tries at a code after which it is void (W-070). A try at a code is one that begins with the same half.
pub const PAIRING_MAX_TRIES: u32 = 5;
/// Typed codes of all sources together that are compared in ten minutes, the life of a code: one in 110 million is right. More wait;
/// links and QR codes do not.
pub const PAIRING_MAX_TRIES_IN_ALL: u32 = 10_000;
/// Wrong tries of one source in ten minutes after which it is answered 429, whatever code it tries.
pub const PAIRING_MAX_TRIES_PER_SOURCE: u32 = 10;
/// Life of the link that lets the first owner of a hub in, in milliseconds (24 h): a server is set up within a day, or anew.
pub const SETUP_LINK_TTL_MS: u64 = 24 * 60 * 60 * 1000;
/// Life of an invitation, in milliseconds (7 days): it is read with the mail of a week.
pub const INVITATION_TTL_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Life of an invitation to a session, in milliseconds (1 day): it is sent to somebody who has an account already.
pub const SESSION_INVITATION_TTL_MS: u64 = 24 * 60 * 60 * 1000;
/// Most participants of one session, and most invitations to it that nobody has used: each change of the session is told to every one.
pub const MAX_PARTICIPANTS: usize = 20;
/// Most prompts of one participant in one session that wait for the word of its owner: more than anybody reads at once.
pub const MAX_HELD_PROMPTS: usize = 20;
/// Default life of such a prompt, in milliseconds (24 h): its owner looks at the phone once a day.
pub const HELD_TTL_MS: u64 = 24 * 60 * 60 * 1000;
/// How long such a prompt is remembered when nobody has let it run, in milliseconds after its end (1 h): it has never run, and its
/// sender can send as many as it likes.
pub const HELD_MEMORY_MS: u64 = 60 * 60 * 1000;
/// Most commands of one participant that wait for one host or whose turns have not begun (W-092): as many as of held ones.
pub const MAX_SENT_BY_PARTICIPANT: usize = 20;
/// Most of all participants together, for one host: half of its queue stays for its owner.
pub const MAX_SENT_BY_PARTICIPANTS: usize = MAX_QUEUED_COMMANDS / 2;
/// Commands that a participant may send to a session, or change there, at once: a day's worth of what waits for its owner, and some more.
pub const PARTICIPANT_BURST: u64 = 30;
/// Time after which it may send or change one more, in milliseconds: people type no faster for long.
pub const PARTICIPANT_PAUSE_MS: u64 = 10_000;
/// Most invitations of one hub that nobody has used yet: each wrong code is compared with all of them.
pub const MAX_INVITATIONS: usize = 100;
/// Most accounts of one hub.
pub const MAX_ACCOUNTS: usize = 1_000;
/// Devices that one account can have.
pub const MAX_DEVICES: usize = 200;
/// Links that the machines of one account may hold open at once: twice as many as it can have devices, since a machine that dials again
/// may come before its last connection is gone.
pub const MAX_LINKS_PER_ACCOUNT: usize = 2 * MAX_DEVICES;
/// Sockets that one source may hold open at once.
pub const MAX_SOCKETS_PER_SOURCE: usize = 64;

/// Shortest time between two frames of deltas of one item, in milliseconds (60 a second; the first goes at once).
pub const DELTA_FRAME_MS: u64 = 16;
/// Longest line of an agent's stdout that is parsed, in bytes; a longer one becomes a notice.
pub const MAX_AGENT_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Most text of one tool's output kept in its item, in bytes; the rest is named, never cut silently.
pub const MAX_TOOL_OUTPUT_BYTES: usize = 512 * 1024;
/// Most text of one item kept, in bytes, of what an agent says, thinks or is noticed of it: more than anybody reads, and a thousandth of it is usual.
pub const MAX_ITEM_TEXT_BYTES: usize = 512 * 1024;
/// Most input of one tool call kept, in bytes: as much as a prompt may have.
pub const MAX_TOOL_INPUT_BYTES: usize = 256 * 1024;
/// Most text of the edits of one tool call kept, old and new of all files together, in bytes: a page of a browser shows no more of it well.
pub const MAX_DIFF_BYTES: usize = 512 * 1024;
/// Most files that one tool call names, and edits that it makes: what people look through, and what rules and policies look at.
pub const MAX_TOOL_FILES: usize = 1_000;
/// Most text of one plan kept, its steps together, in bytes.
pub const MAX_PLAN_BYTES: usize = 64 * 1024;
/// Longest single line that stands by itself, such as a title, a name or a path, in bytes: the longest path of most systems.
pub const MAX_LINE_BYTES: usize = 4 * 1024;
/// Most text of one approval that is shown, in bytes: the command or the plan itself, as long as a prompt may be.
pub const MAX_APPROVAL_DETAIL_BYTES: usize = 256 * 1024;
/// Most text of what can be answered to one approval, its questions included, in bytes. More cannot be shortened, since the answer
/// names it, and is refused.
pub const MAX_APPROVAL_ANSWERS_BYTES: usize = 64 * 1024;
/// Most words about how a turn ended, in bytes: the last words of a program, and a stack trace.
pub const MAX_DETAIL_BYTES: usize = 16 * 1024;
/// Largest fact that a host writes, in bytes as it is encoded: half of what a socket may hold ([`MAX_SOCKET_MESSAGE_BYTES`]), so that whatever stands
/// in a stream reaches whoever reads it. The limits above keep within it all but what is mostly escapes.
pub const MAX_FACT_BYTES: usize = 4 * 1024 * 1024;
/// Largest message that goes over a socket as it is, in bytes. A larger one, which an older program has written, goes as one that says so.
pub const MAX_SOCKET_MESSAGE_BYTES: usize = MAX_APPEND_BYTES;
/// Most slash commands of one agent in the catalogue, those of its projects included: Claude Code has 44 of its own.
pub const MAX_SLASH_COMMANDS: usize = 300;
/// Longest description of a slash command, in characters: two lines of a phone.
pub const MAX_SLASH_CHARS: usize = 140;
/// Pause after which an idle agent process is closed, in milliseconds.
pub const AGENT_IDLE_MS: u64 = 10 * 60 * 1000;
/// Longest a graceful interrupt may take before the process group is killed, in milliseconds (W-017: stopped within 2 s).
pub const INTERRUPT_GRACE_MS: u64 = 1_500;
/// Life of a turn stream after it was closed, in milliseconds (24 h).
pub const TURN_STREAM_MS: u64 = 24 * 60 * 60 * 1000;
/// Most settled items in one page of a transcript.
pub const MAX_ITEMS_PAGE: usize = 500;
/// Settled items in a page when the client does not say.
pub const DEFAULT_ITEMS_PAGE: usize = 60;
/// Most standing rules that one host keeps: more than a person can oversee are none.
pub const MAX_RULES: usize = 200;
/// How long an agent waits for an answer, in milliseconds, unless configured (24 h): a person looks at the phone once a day.
pub const APPROVAL_EXPIRY_MS: u64 = 24 * 60 * 60 * 1000;

/// How long an agent that is waited for says nothing before that is shown, in milliseconds: models begin to answer within seconds, and rarely
/// think for more than a minute without a word.
pub const QUIET_AFTER_MS: u64 = 2 * 60 * 1000;

/// How long an agent that is waited for may say nothing before its turn fails, in milliseconds: a turn that hangs holds one of the places of its
/// machine.
pub const SILENCE_LIMIT_MS: u64 = 60 * 60 * 1000;
