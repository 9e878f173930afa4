//! Fixtures shared with TypeScript, and the property `fold(replay) == fold(live)`.

mod fixtures;
mod property;
mod world;
