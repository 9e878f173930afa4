//! Every test of this folder once more, with a node that gets no WebSocket: what is above the line does not know by which way a link goes.

#![expect(clippy::duplicate_mod, reason = "the same tests, over another way")]

use std::ops::Deref;

use super::*;

#[path = "bounds.rs"]
mod bounds;
#[path = "commands.rs"]
mod commands;
#[path = "disks.rs"]
mod disks;
#[path = "leases.rs"]
mod leases;
#[path = "lost.rs"]
mod lost;
#[path = "news.rs"]
mod news;
#[path = "pushes.rs"]
mod pushes;
#[path = "races.rs"]
mod races;
#[path = "weather.rs"]
mod weather;

/// A served hub that no WebSocket reaches.
pub(super) struct Yard(super::Yard);

impl Yard {
    async fn new() -> Self {
        Self::of(World::new().await)
    }

    fn of(world: World) -> Self {
        Self(super::Yard { by_requests: true, ..super::Yard::of(world) })
    }

    async fn again(self) -> Self {
        Self(super::Yard { by_requests: true, ..self.0.again().await })
    }
}

impl Deref for Yard {
    type Target = super::Yard;
    fn deref(&self) -> &super::Yard {
        &self.0
    }
}
