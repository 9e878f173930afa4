//! Who may send what: the whole table, at the hub.

use protocol::api::CommandRelease;
use protocol::blob::{Attachment, BlobId};
use protocol::command::{AnswerContent, CommandBody, EditContent, PromptContent, StartContent};
use protocol::error::ErrorCode;
use protocol::id::{CommandId, ProjectId};
use protocol::participant::ParticipantEdit;
use protocol::participant::ParticipantRole::{Editor, Viewer};
use protocol::time::Clock as _;

use super::*;

/// What may be asked for, with the words of the table's row.
fn acts(shared: &Shared) -> Vec<(String, CommandBody)> {
    let (session, turn, approval) = (shared.session, shared.turn, shared.approval);
    let start = StartContent { text: Some("go".to_owned()), ..StartContent::default() };
    let words = PromptContent { text: "go".to_owned(), attachments: Vec::new() };
    let file = Attachment {
        blob: BlobId::from_digest([1; 32]),
        name: "a.txt".to_owned(),
        media_type: "text/plain".to_owned(),
        size_bytes: 1,
    };
    let with_file = PromptContent { attachments: vec![file], ..words.clone() };
    let mode = |mode: Option<&str>| CommandBody::SetOptions {
        session,
        model: Some("big".to_owned()),
        mode: mode.map(str::to_owned),
        effort: None,
    };
    let begin = |session| CommandBody::StartSession {
        session,
        project: ProjectId::from_uuid(shared.world.clock.fresh()),
        new_project: false,
        agent: "demo".to_owned(),
        model: None,
        mode: None,
        effort: None,
        content: start.clone(),
    };
    let fork = CommandBody::ForkSession {
        session: shared.world.session(),
        from: session,
        after: None,
        content: start.clone(),
    };
    let mut acts = vec![
        ("start_session", begin(session)),
        ("fork_session", fork),
        ("send_prompt", CommandBody::SendPrompt { session, content: words }),
        ("send_prompt with a file", CommandBody::SendPrompt { session, content: with_file }),
        ("cancel_turn", CommandBody::CancelTurn { session, turn: None }),
        ("edit_prompt", CommandBody::EditPrompt { session, turn, content: EditContent { text: "x".to_owned() } }),
        ("move_prompt", CommandBody::MovePrompt { session, turn, before: None }),
        ("steer_prompt", CommandBody::SteerPrompt { session, turn }),
        ("set_options", mode(None)),
        ("set_options to a mode that asks", mode(Some("plan"))),
        ("set_options to a mode that does not ask", mode(Some("bypassPermissions"))),
    ];
    let answer =
        |option: &str, content| CommandBody::AnswerApproval { session, approval, option: option.to_owned(), content };
    let mut answers: Vec<(String, CommandBody)> =
        OPTIONS.iter().map(|(id, _)| (format!("answer {id}"), answer(id, AnswerContent::default()))).collect();
    let words = AnswerContent { message: Some("rather this".to_owned()), ..AnswerContent::default() };
    answers.push(("answer no with words".to_owned(), answer("no", words)));
    answers.push(("answer nothing".to_owned(), answer("nothing", AnswerContent::default())));
    answers.extend(acts.drain(..).map(|(name, body)| (name.to_owned(), body)));
    answers
}

const EDITOR: [&str; 3] = ["send_prompt", "cancel_turn", "answer no"];
const TRUSTED: [&str; 10] = [
    "send_prompt",
    "cancel_turn",
    "answer no",
    "answer no with words",
    "answer yes",
    "answer word",
    "edit_prompt",
    "move_prompt",
    "steer_prompt",
    "set_options",
];

#[tokio::test(start_paused = true)]
async fn each_role_sends_what_the_table_says_and_nothing_else() {
    for (role, trusted, allowed) in
        [(Viewer, false, &[][..]), (Viewer, true, &[][..]), (Editor, false, &EDITOR[..]), (Editor, true, &TRUSTED[..])]
    {
        let shared = Shared::new().await;
        let (guest, _) = shared.guest(role, trusted).await;
        for (name, body) in acts(&shared) {
            let request = CommandRequest { host: shared.host, ..shared.world.request(body) };
            let sent = shared.world.hub.submit(&guest, request.clone()).await;
            let is_allowed = allowed.contains(&name.as_str());
            assert_eq!(sent.is_ok(), is_allowed, "{name} of {role:?} {trusted}: {sent:?}");
            if let Err(problem) = sent {
                let expected = match name.as_str() {
                    _ if role == Viewer => ErrorCode::Forbidden,
                    "send_prompt with a file" => ErrorCode::Unsupported,
                    "answer nothing" => ErrorCode::ApprovalNotPending,
                    _ => ErrorCode::Forbidden,
                };
                assert_eq!(problem.code, expected, "{name} of {role:?} {trusted}");
                let known = shared.world.hub.command(shared.owner.account, request.id).await;
                assert_eq!(known.unwrap_err().code, ErrorCode::NotFound, "{name} leaves nothing");
                continue;
            }
            let row = shared.row(request.id).await;
            let by = row.command.participant.clone().expect("it says who sent it");
            assert_eq!(row.account, shared.owner.account, "it is the owner's");
            assert_eq!(row.command.sender, guest.sender());
            assert_eq!((by.account, by.role, by.trusted, by.released_by), (guest.account, role, trusted, None));
            assert_eq!(row.held, name == "send_prompt" && !trusted, "{name}");
            assert_eq!(row.command.place.is_none(), row.held, "{name}");
            // The same again is the same.
            shared.world.hub.submit(&guest, request.clone()).await.unwrap();
            // The owner sees it, and so does who sent it; what others sent is in the feed alone.
            shared.world.hub.command(guest.account, request.id).await.unwrap();
            shared.world.hub.command(shared.owner.account, request.id).await.unwrap();
        }
        let trail = shared.trail(shared.owner.account).await;
        let sent = trail.iter().filter(|action| action.as_str() == "command.send_prompt").count();
        assert_eq!(sent, usize::from(role == Editor), "what is done is in the owner's trail: {trail:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_the_owners_alone_is_not_there_for_participants_and_nothing_is_for_others() {
    let shared = Shared::new().await;
    let hub = &shared.world.hub;
    let (guest, _) = shared.guest(Editor, true).await;
    let (other, _) = shared.world.stranger().await;
    let own = shared.prompt("the owner's");
    hub.submit(&shared.owner, own.clone()).await.unwrap();
    let new = || NewSessionInvitation { role: Viewer, trusted: false };
    let edit = protocol::session::SessionEdit { title: Some("mine".to_owned()), archived: None };
    for who in [&guest, &other] {
        let not_found = |code: ErrorCode| assert_eq!(code, ErrorCode::NotFound);
        not_found(hub.edit_session(who, shared.session, edit.clone()).await.unwrap_err().code);
        not_found(hub.delete_session(who, shared.session).await.unwrap_err().code);
        not_found(hub.invite_to_session(who, shared.session, new()).await.unwrap_err().code);
        not_found(
            hub.edit_participant(who, shared.session, guest.account, ParticipantEdit::default())
                .await
                .unwrap_err()
                .code,
        );
        not_found(hub.cancel(who, own.id).await.unwrap_err().code);
        not_found(hub.command(who.account, own.id).await.unwrap_err().code);
        not_found(hub.release_command(who, own.id, CommandRelease::default()).await.unwrap_err().code);
        not_found(hub.move_command(who, own.id, None).await.unwrap_err().code);
        let edit = protocol::api::CommandEdit { text: Some("x".to_owned()), ttl_ms: None };
        not_found(hub.edit_command(who, own.id, edit).await.unwrap_err().code);
        // Another one may not take it out, either.
        if who.account == other.account {
            not_found(hub.remove_participant(who, shared.session, guest.account).await.unwrap_err().code);
            not_found(hub.submit(who, shared.prompt("x")).await.unwrap_err().code);
            not_found(hub.participant_list(who, shared.session).await.unwrap_err().code);
            not_found(hub.mark_read(who, shared.session, 1).await.unwrap_err().code);
        }
    }
    assert_eq!(hub.participant_list(&guest, shared.session).await.unwrap().participants.len(), 1);
    hub.mark_read(&guest, shared.session, 2).await.unwrap();
    // An id that somebody else's command has is no way to it.
    let taken = CommandRequest { id: own.id, ..shared.prompt("guess") };
    assert_eq!(hub.submit(&guest, taken).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(
        hub.command(guest.account, CommandId::from_uuid(shared.world.clock.fresh())).await.unwrap_err().code,
        ErrorCode::NotFound
    );
}

#[tokio::test(start_paused = true)]
async fn one_persons_machine_has_no_participants() {
    let world = World::new().await;
    let session = world.session();
    let new = NewSessionInvitation { role: Viewer, trusted: false };
    let refused = world.hub.invite_to_session(&world.owner, session, new).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unsupported);
    assert!(refused.hint.contains("towline hub"), "{}", refused.hint);
}
