//! Who is who in sessions that several accounts see. A hub of one person has nobody to name, and is asked nothing more.

use protocol::command::{Command, CommandState};
use protocol::id::{AccountId, SessionId};
use protocol::participant::{Participant, ParticipantRole};

use crate::error::{CommandError, Kind};
use crate::near::did_you_mean;
use crate::node::{Known, Node};

/// Who is meant when a prompt waits for the word of whoever asks.
pub(crate) const YOU: &str = "you";

/// The account that asks, and the participants that it sees.
#[derive(Debug)]
pub(crate) struct People<'a> {
    known: &'a Known,
    /// Who asks; not known where nobody takes part in anything.
    me: Option<AccountId>,
}

impl<'a> People<'a> {
    /// Those in these lists.
    ///
    /// # Errors
    /// When the hub does not say who asks.
    pub(crate) async fn of(node: &Node, known: &'a Known) -> Result<Self, CommandError> {
        let alone =
            known.participants.is_empty() && known.commands.values().all(|command| command.participant.is_none());
        let me = if alone { None } else { Some(node.me().await?.account) };
        Ok(Self { known, me })
    }

    /// Those in these lists, as an account that takes part sees them.
    pub(crate) const fn seen_by(known: &'a Known, me: AccountId) -> Self {
        Self { known, me: Some(me) }
    }

    /// Of a session of another account, as what this one takes part in it.
    pub(crate) fn part_in(&self, session: SessionId) -> Option<&'a Participant> {
        let mut all = self.known.participants.values();
        all.find(|part| part.session == session && Some(part.account) == self.me)
    }

    /// Whose a session is; nothing for one of one's own.
    pub(crate) fn owner(&self, session: SessionId) -> Option<&'a str> {
        self.part_in(session).map(|part| named(&part.content.owner_name))
    }

    /// What an account is called in a session; nothing for the one that asks, and for one that is not there any more.
    pub(crate) fn name(&self, session: SessionId, account: AccountId) -> Option<&'a str> {
        if self.me.is_none_or(|me| me == account) {
            return None;
        }
        let in_it = || self.known.participants.values().filter(|part| part.session == session);
        let is_owner = in_it().find(|part| part.owner == account).map(|part| named(&part.content.owner_name));
        is_owner
            .or_else(|| in_it().find(|part| part.account == account).map(|part| part.content.name.as_str()))
            .or_else(|| self.sent(account))
    }

    /// What an account is called in any of the sessions; as [`name`](Self::name).
    pub(crate) fn called(&self, account: AccountId) -> Option<&'a str> {
        let of_it = |part: &&Participant| part.owner == account || part.account == account;
        match self.known.participants.values().find(of_it) {
            Some(part) => self.name(part.session, account),
            None => self.sent(account).filter(|_| self.me != Some(account)),
        }
    }

    /// What an account is called that has sent something: the machine of the session hears of participants by that alone.
    fn sent(&self, account: AccountId) -> Option<&'a str> {
        let mut by = self.known.commands.values().filter_map(|command| command.participant.as_ref());
        by.find(|by| by.account == account).map(|by| by.name.as_str())
    }

    /// For whose word a command waits, if it does.
    pub(crate) fn waits_for(&self, command: &Command) -> Option<String> {
        if !is_held(command) {
            return None;
        }
        let session = command.session;
        let is_mine = self.known.sessions.get(&session).is_some_and(|session| Some(session.account) == self.me);
        Some(match self.owner(session) {
            Some(owner) => owner.to_owned(),
            None if is_mine => YOU.to_owned(),
            None => "the owner".to_owned(),
        })
    }
}

fn named(owner: &str) -> &str {
    if owner.trim().is_empty() { "the owner" } else { owner }
}

/// Whether a command is a participant's prompt that its owner has not let run.
pub(crate) fn is_held(command: &Command) -> bool {
    command.state == CommandState::Queued && command.participant.as_ref().is_some_and(|by| !by.is_let())
}

/// What a role means, in words that fit behind "as".
pub(crate) const fn as_what(role: ParticipantRole, trusted: bool) -> &'static str {
    match (role, trusted) {
        (ParticipantRole::Viewer, _) => "a viewer",
        (ParticipantRole::Editor, false) => "an editor",
        (ParticipantRole::Editor, true) => "a trusted editor",
    }
}

/// The participant that a person means: a name, or an account.
///
/// # Errors
/// When there is none, with the nearest name; when there are several, with all of them.
pub(crate) fn find<'a>(all: &'a [Participant], text: &str) -> Result<&'a Participant, CommandError> {
    let wanted = text.trim().to_lowercase();
    let fits =
        |part: &&Participant| part.account.to_string() == wanted || part.content.name.trim().to_lowercase() == wanted;
    let found: Vec<&Participant> = all.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let names = all.iter().map(|part| part.content.name.as_str());
            let error = CommandError::say(Kind::Usage, format!("nobody called `{text}` takes part in this session"));
            let error = did_you_mean(text, names).into_iter().fold(error, CommandError::hint);
            Err(error.hint("`towline sessions participants SESSION` lists those who do."))
        }
        several => {
            let error = CommandError::say(Kind::Usage, format!("several participants are called `{text}`"));
            let shown = several.iter().map(|part| format!("{}  {}", part.account, part.content.name));
            Err(shown.fold(error, CommandError::hint).hint("Say which by the account."))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use protocol::command::{CommandContent, CommandKind};
    use protocol::id::{CommandId, DeviceId, ParticipantId, ProjectId};
    use protocol::item::Sender;
    use protocol::participant::{ByParticipant, ParticipantContent};
    use protocol::session::{Activity, Session, SessionContent};
    use protocol::time::UnixMs;

    use super::*;

    fn v7(n: u8) -> uuid::Uuid {
        uuid::Builder::from_unix_timestamp_millis(7, &[n; 10]).into_uuid()
    }

    fn account(n: u8) -> AccountId {
        AccountId::from_uuid(v7(n))
    }

    pub(crate) fn participant(n: u8, name: &str, role: ParticipantRole, trusted: bool) -> Participant {
        Participant {
            v: 1,
            session: SessionId::from_uuid(v7(50)),
            account: account(n),
            role,
            trusted,
            owner: account(1),
            joined_at_ms: UnixMs(1_000),
            content: ParticipantContent {
                name: name.to_owned(),
                owner_name: "Ada".to_owned(),
                host_name: "desk".to_owned(),
            },
        }
    }

    fn session(owner: u8) -> Session {
        Session {
            v: 1,
            account: account(owner),
            host: DeviceId::from_uuid(v7(60)),
            project: ProjectId::from_uuid(v7(61)),
            agent: "demo".to_owned(),
            model: None,
            mode: None,
            effort: None,
            activity: Activity::Idle,
            last_turn: None,
            queued_turns: 0,
            background_tasks: 0,
            created_at_ms: UnixMs(1),
            updated_at_ms: UnixMs(1),
            archived_at_ms: None,
            ended_turns: 0,
            from: None,
            content: SessionContent { title: "Tides".to_owned(), doing: None },
        }
    }

    pub(crate) fn command(by: Option<ByParticipant>, state: CommandState) -> Command {
        Command {
            v: 1,
            kind: CommandKind::SendPrompt,
            host: DeviceId::from_uuid(v7(60)),
            session: SessionId::from_uuid(v7(50)),
            turn: None,
            sender: Sender {
                account: by.as_ref().map_or_else(|| account(1), |by| by.account),
                device: DeviceId::from_uuid(v7(70)),
            },
            participant: by,
            state,
            attempt: 0,
            retry_of: None,
            tried: None,
            place: None,
            created_at_ms: UnixMs(1),
            expires_at_ms: UnixMs(9),
            updated_at_ms: UnixMs(1),
            error: None,
            content: CommandContent { text: Some("Fix it".to_owned()), ..CommandContent::default() },
        }
    }

    pub(crate) fn by(n: u8, trusted: bool, released: bool) -> ByParticipant {
        ByParticipant {
            account: account(n),
            name: "Bo".to_owned(),
            role: ParticipantRole::Editor,
            trusted,
            released_by: released.then(|| DeviceId::from_uuid(v7(71))),
        }
    }

    /// Ada's session, in which Bo (2) is an editor and Cy (3) a viewer.
    pub(crate) fn shared() -> Known {
        let mut known = Known::default();
        known.sessions.insert(SessionId::from_uuid(v7(50)), session(1));
        for (n, name, role) in [(2, "Bo", ParticipantRole::Editor), (3, "Cy", ParticipantRole::Viewer)] {
            known.participants.insert(ParticipantId::from_uuid(v7(n)), participant(n, name, role, false));
        }
        known.commands.insert(CommandId::from_uuid(v7(80)), command(Some(by(2, false, false)), CommandState::Queued));
        known
    }

    pub(crate) fn seen_by(known: &Known, n: u8) -> People<'_> {
        People::seen_by(known, account(n))
    }

    #[test]
    fn each_account_hears_whose_a_session_is_and_for_whose_word_a_prompt_waits() {
        let known = shared();
        let held = known.commands.values().next().unwrap();
        let id = held.session;
        for (n, owner, waits) in [(1, None, "you"), (2, Some("Ada"), "Ada"), (3, Some("Ada"), "Ada")] {
            let people = seen_by(&known, n);
            assert_eq!(people.owner(id), owner, "{n}");
            assert_eq!(people.waits_for(held).as_deref(), Some(waits), "{n}");
        }
        assert_eq!(seen_by(&known, 1).name(id, account(2)), Some("Bo"));
        assert_eq!(seen_by(&known, 2).name(id, account(1)), Some("Ada"));
        assert_eq!(seen_by(&known, 2).name(id, account(2)), None, "oneself needs no name");
        assert_eq!(seen_by(&known, 2).name(id, account(9)), None);
        assert_eq!(seen_by(&known, 1).called(account(3)), Some("Cy"));
        assert_eq!((seen_by(&known, 3).called(account(1)), seen_by(&known, 3).called(account(3))), (Some("Ada"), None));
        let alone = People { known: &known, me: None };
        assert_eq!((alone.name(id, account(1)), alone.owner(id)), (None, None));
    }

    #[test]
    fn only_what_nobody_has_let_run_waits_for_a_word() {
        assert!(is_held(&command(Some(by(2, false, false)), CommandState::Queued)));
        assert!(!is_held(&command(Some(by(2, false, true)), CommandState::Queued)), "released");
        assert!(!is_held(&command(Some(by(2, true, false)), CommandState::Queued)), "trusted");
        assert!(!is_held(&command(Some(by(2, false, false)), CommandState::Cancelled)), "over");
        assert!(!is_held(&command(None, CommandState::Queued)), "the owner's own");
    }

    #[test]
    fn a_participant_is_found_by_name_or_account() {
        let all = [
            participant(2, "Bo", ParticipantRole::Editor, false),
            participant(3, "Cy", ParticipantRole::Viewer, false),
            participant(4, "cy", ParticipantRole::Viewer, false),
        ];
        assert_eq!(find(&all, "bo").unwrap().account, account(2));
        assert_eq!(find(&all, &account(4).to_string()).unwrap().account, account(4));
        assert_eq!(find(&all, "Cy").unwrap_err().hints.len(), 3, "two rows and what to do");
        assert_eq!(find(&all, "Boo").unwrap_err().hints[0], "Did you mean `Bo`?");
    }
}
