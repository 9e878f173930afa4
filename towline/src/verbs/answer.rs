//! `answer` and `cancel`.

use protocol::approval::{Approval, ApprovalState, OptionKind};
use protocol::command::{AnswerContent, CommandBody};
use protocol::id::ApprovalId;
use serde::Serialize;

use crate::cli::Answer;
use crate::error::{CommandError, Kind};
use crate::node::{Known, Node};
use crate::output::Output;
use crate::people::People;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answered<'a> {
    approval: String,
    option: &'a str,
}

/// Answers an approval.
pub(crate) async fn answer(node: &Node, wish: Answer, out: Output) -> Result<(), CommandError> {
    let own = node.me().await?.host;
    let known = node.known().await?;
    let found = known.approvals.get(&wish.approval);
    let Some(approval) = found.filter(|approval| approval.state == ApprovalState::Pending) else {
        return Err(late(node, &known, wish.approval, found).await);
    };
    let option = choose(approval, &wish.option)?;
    let host = known.owner(approval.session, own)?;
    let content = AnswerContent {
        message: wish.message,
        answers: std::collections::BTreeMap::new(),
        shown: Some(approval.content.shown.clone()),
    };
    let body = CommandBody::AnswerApproval {
        session: approval.session,
        approval: wish.approval,
        option: option.clone(),
        content,
    };
    if let Err(error) = out.waiting("Waiting for the host", node.done(host, body)).await {
        // Another answer may have been faster: whose, the lists say by now.
        let known = node.known().await?;
        let over = known.approvals.get(&wish.approval).filter(|approval| approval.state != ApprovalState::Pending);
        return Err(match over {
            Some(over) => late(node, &known, wish.approval, Some(over)).await,
            None => error,
        });
    }
    out.either(&Answered { approval: wish.approval.to_string(), option: &option }, || format!("answered: {option}"))
}

/// What became of an approval that takes no answer any more, and whose answer counted.
async fn late(node: &Node, known: &Known, id: ApprovalId, found: Option<&Approval>) -> CommandError {
    let what = match found.map(|approval| (approval.state, approval.decision.as_ref().zip(Some(approval.session)))) {
        Some((ApprovalState::Answered, Some((decision, session)))) => {
            let people = People::of(node, known).await.ok();
            let somebody = people.and_then(|people| people.name(session, decision.by.account).map(str::to_owned));
            let devices = node.api.devices().await.map(|list| list.devices).unwrap_or_default();
            let device = devices.into_iter().find(|row| row.device == decision.by.device);
            let by = somebody.or_else(|| device.map(|row| row.about.content.name));
            let by = by.unwrap_or_else(|| decision.by.device.to_string());
            let option = &decision.option;
            format!("{id} was answered at {} by {by}: {option}", super::lists::time(decision.at_ms))
        }
        Some((ApprovalState::Expired, _)) => format!("{id} has expired: nobody answered in time"),
        Some((ApprovalState::Withdrawn, _)) => format!("{id} was withdrawn: the agent no longer asks"),
        Some((ApprovalState::Stale, _)) => format!("{id} is stale: the agent that asked is gone"),
        _ => format!("{id} is not open"),
    };
    CommandError::say(Kind::No, what)
        .hint("Your answer changes nothing. Look at the session: it shows who answered, or that the agent has gone on.")
}

/// The option that a person means.
fn choose(approval: &Approval, text: &str) -> Result<String, CommandError> {
    let of = |kind: OptionKind| approval.options.iter().find(|option| option.kind == kind);
    let found = approval.options.iter().find(|option| option.id == text).or_else(|| match text {
        "allow" => of(OptionKind::AllowOnce),
        "deny" => of(OptionKind::Deny),
        _ => None,
    });
    found.map(|option| option.id.clone()).ok_or_else(|| {
        let all: Vec<&str> = approval.options.iter().map(|option| option.id.as_str()).collect();
        CommandError::say(Kind::Usage, format!("`{text}` is not an answer to this"))
            .hint(format!("One of: {}.", all.join(", ")))
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    session: String,
}

/// Stops the running turn.
pub(crate) async fn cancel(node: &Node, session: &str, out: Output) -> Result<(), CommandError> {
    let own = node.me().await?.host;
    let known = node.known().await?;
    let session = known.session(session)?;
    let host = known.owner(session, own)?;
    node.done(host, CommandBody::CancelTurn { session, turn: None }).await?;
    out.either(&Cancelled { session: session.to_string() }, || format!("stopped: {session}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::approval::{ApprovalContent, ApprovalKind, ApprovalOption};
    use protocol::time::UnixMs;

    #[test]
    fn allow_and_deny_mean_this_once() {
        let id = uuid::Builder::from_unix_timestamp_millis(1, &[0; 10]).into_uuid();
        let option = |id: &str, kind| ApprovalOption { id: id.to_owned(), kind };
        let approval = Approval {
            v: 1,
            session: protocol::id::SessionId::from_uuid(id),
            turn: protocol::id::TurnId::from_uuid(id),
            item: None,
            ord: 1,
            kind: ApprovalKind::Permission,
            state: ApprovalState::Pending,
            options: vec![
                option("always", OptionKind::AllowAlways),
                option("yes", OptionKind::AllowOnce),
                option("no", OptionKind::Deny),
            ],
            decision: None,
            created_at_ms: UnixMs(1),
            expires_at_ms: None,
            content: ApprovalContent::default(),
        };
        for (text, option) in
            [("allow", Some("yes")), ("deny", Some("no")), ("always", Some("always")), ("maybe", None)]
        {
            assert_eq!(choose(&approval, text).ok().as_deref(), option, "{text}");
        }
    }
}
