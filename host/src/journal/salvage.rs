//! What a turn had said when its host died: the unsettled items, folded from the turn stream.

use protocol::fact::SessionFact;
use protocol::fold::Transcript;
use protocol::id::ItemId;
use protocol::item::{Item, ItemStatus};
use protocol::limits::MAX_PAGE_BYTES;
use protocol::path::StreamPath;
use protocol::port::{HubPort, PortError};
use protocol::time::UnixMs;

use crate::notes::TurnNote;

/// The items of a turn that never settled, as far as they were durable, settled now as interrupted; and whether there is a
/// turn stream at all.
///
/// # Errors
/// What the port says.
pub(crate) async fn unsettled(
    port: &dyn HubPort,
    note: &TurnNote,
    now: UnixMs,
) -> Result<(Vec<(ItemId, Item)>, bool), PortError> {
    let mut fold = Transcript::new();
    let mut from = note.fact.low_water;
    loop {
        let page = match port.read(StreamPath::turn(note.id), from, MAX_PAGE_BYTES).await {
            Ok(page) => page,
            Err(PortError::NoStream { .. }) => return Ok((Vec::new(), false)),
            Err(error) => return Err(error),
        };
        for message in &page.messages {
            match SessionFact::parse(message) {
                Ok(fact) => fold.live(note.id, fact),
                Err(error) => tracing::error!(turn = %note.id, %error, "a message of a turn stream cannot be read"),
            }
        }
        if page.up_to_date {
            break;
        }
        from = Some(page.next);
    }
    let unsettled = fold.items().into_iter().filter(|(id, _)| note.unsettled.contains(id));
    let settled = unsettled.map(|(id, item)| (id, interrupted(item.clone(), now))).collect();
    Ok((settled, true))
}

fn interrupted(item: Item, now: UnixMs) -> Item {
    Item { status: ItemStatus::Interrupted, index: item.index + 1, settled_at_ms: Some(now), ..item }
}
