//! What a link remembers of this node's own streams: the chain of each up to a position, so that none is read from its beginning again.

use std::collections::HashMap;

use protocol::error::Problem;
use protocol::link::Chain;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use serde::{Deserialize, Serialize};
use store::{Batch, Put};

use super::Uplink;
use crate::hub::decode;
use crate::keys;
use crate::rows::Row;

/// Rows read, or written, at once.
const PAGE: usize = 1_000;

/// The chain of a stream up to a position.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct ChainRow {
    at: Offset,
    chain: Chain,
}

impl Row for ChainRow {}

impl Uplink {
    /// The chains that are remembered. Each says what this disk itself holds, whatever any hub has.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn chains(&self) -> Result<HashMap<StreamPath, (Offset, Chain)>, Problem> {
        let mut found = HashMap::new();
        let mut after = None;
        loop {
            let page = self.hub.scan(keys::CHAINS.to_owned(), after.take(), PAGE).await?;
            for entry in &page {
                let path = entry.key.strip_prefix(keys::CHAINS).and_then(|path| path.parse::<StreamPath>().ok());
                let Some(path) = path else { continue };
                let row = decode::<ChainRow>(entry)?.value;
                found.insert(path, (row.at, row.chain));
            }
            after = page.last().filter(|_| page.len() == PAGE).map(|entry| entry.key.clone());
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Remembers chains, or forgets them with `None`.
    ///
    /// # Errors
    /// Failures of the store; what is not remembered is read again.
    pub async fn remember(&self, chains: &[(StreamPath, Option<(Offset, Chain)>)]) -> Result<(), Problem> {
        for some in chains.chunks(PAGE) {
            let mut batch = Batch::new();
            for (stream, place) in some {
                let key = format!("{}{stream}", keys::CHAINS);
                batch.push(match place {
                    Some((at, chain)) => Put::set(key, ChainRow { at: *at, chain: *chain }.encode()),
                    None => Put::remove(key),
                });
            }
            self.hub.commit(batch).await?;
        }
        Ok(())
    }
}
