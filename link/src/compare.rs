//! What the hub has of this node's streams, against what this disk holds. What does not fit is a disk that was restored or copied.

use std::collections::HashMap;

use hub::{OwnStream, Unread, Uplink};
use protocol::error::{ErrorCode, Problem};
use protocol::link::{Chain, Replica};
use protocol::offset::Offset;
use protocol::path::{Owned, StreamPath};

use crate::book::{Book, Entry};
use crate::connection::End;
use crate::run::Chains;
use crate::state::Trouble;

/// Bytes of a stream read at once.
const PAGE_BYTES: usize = 256 * 1024;

/// A stream whose replica does not fit.
pub(crate) fn fenced(stream: &StreamPath) -> End {
    let problem = Problem::new(ErrorCode::LinkRestored);
    End::Trouble(Trouble { fenced: Some(stream.clone()), ..problem.into() })
}

/// Finds out from where each stream goes on. `replicas` is all that the hub has.
pub(crate) async fn compare(
    uplink: &Uplink,
    replicas: Vec<Replica>,
    chains: &mut Chains,
    forgotten: &mut Vec<StreamPath>,
) -> Result<Book, End> {
    let mut there: HashMap<StreamPath, Replica> =
        replicas.into_iter().map(|replica| (replica.stream.clone(), replica)).collect();
    let mut book = Book { feed: true, ..Book::default() };
    let own = uplink.own().await?;
    let known: std::collections::HashSet<&StreamPath> = own.iter().map(|own| &own.stream).collect();
    forgotten.extend(chains.keys().filter(|stream| !known.contains(stream)).cloned());
    chains.retain(|stream, _| known.contains(stream));
    for stream in own {
        let replica = there.remove(&stream.stream);
        let is_turn = matches!(stream.stream.owned(), Some(Owned::Turn(_)));
        match replica {
            // What a turn said is settled in the journal by now; nobody follows it there.
            None if is_turn && stream.closed => {}
            None => {
                let begin = Offset::new(stream.tail.epoch, 0);
                let entry = Entry {
                    session: stream.session,
                    at: begin,
                    chain: Chain::START,
                    there: false,
                    left: stream.tail.byte,
                };
                book.entries.insert(stream.stream.clone(), entry);
                book.dirty.insert(stream.stream);
            }
            Some(replica) => check(uplink, &stream, &replica, chains, &mut book).await?,
        }
    }
    for stream in there.into_keys() {
        // A journal that was neither written nor deleted here: this disk is of before there was one.
        if let Some(Owned::Journal(session)) = stream.owned()
            && uplink.one(&stream).await?.is_none()
            && !uplink.is_gone(session).await?
        {
            return Err(fenced(&stream));
        }
    }
    Ok(book)
}

async fn check(
    uplink: &Uplink,
    own: &OwnStream,
    replica: &Replica,
    chains: &mut Chains,
    book: &mut Book,
) -> Result<(), End> {
    let stream = &own.stream;
    let longer = replica.tail.epoch != own.tail.epoch || replica.tail.byte > own.tail.byte;
    let ended = replica.closed && (!own.closed || replica.tail != own.tail);
    if longer || ended {
        return Err(fenced(stream));
    }
    let known = chains.get(stream).copied().filter(|(at, _)| at.epoch == own.tail.epoch && *at <= replica.tail);
    let (at, chain) = known.unwrap_or((Offset::new(own.tail.epoch, 0), Chain::START));
    match chain_to(uplink, stream, at, chain, replica.tail).await? {
        Some(chain) if chain == replica.chain => {
            chains.insert(stream.clone(), (replica.tail, chain));
        }
        Some(_) => return Err(fenced(stream)),
        // It went while it was read.
        None => return Ok(()),
    }
    if replica.closed {
        return Ok(());
    }
    let left = own.tail.byte - replica.tail.byte;
    let entry = Entry { session: own.session, at: replica.tail, chain: replica.chain, there: true, left };
    book.entries.insert(stream.clone(), entry);
    // Also when nothing is known to be new: what grew since is found by looking, and it costs nothing when nothing did.
    if left > 0 || own.closed {
        book.dirty.insert(stream.clone());
    }
    Ok(())
}

/// The chain of an own stream up to a position, from one that is known; `None` when the stream is gone.
async fn chain_to(
    uplink: &Uplink,
    stream: &StreamPath,
    mut at: Offset,
    mut chain: Chain,
    to: Offset,
) -> Result<Option<Chain>, End> {
    while at < to {
        let left = usize::try_from(to.byte - at.byte).unwrap_or(usize::MAX);
        let page = match uplink.read(stream, at, left.min(PAGE_BYTES)).await {
            Ok(page) => page,
            Err(Unread::Gone) => return Ok(None),
            Err(Unread::NoPosition) => return Err(fenced(stream)),
            Err(Unread::Failed(problem)) => return Err(problem.into()),
        };
        let before = at;
        for (end, message) in &page.messages {
            if *end > to {
                break;
            }
            (at, chain) = (*end, chain.after(message));
        }
        // A position inside a message is none of this stream's.
        if at == before {
            return Err(fenced(stream));
        }
    }
    Ok(Some(chain))
}
