//! The configuration: what was written (flags, environment, file), layered, and what it means.

mod file;
mod keys;
mod layers;
mod reference;
mod settings;
mod value;

pub(crate) use file::{Place, parse, place, read, wrong};
pub(crate) use layers::{Layers, Origin, strange_variables};
pub(crate) use reference::{example, page, schema};
pub(crate) use settings::{Settings, standard_root};
pub(crate) use value::{Value, origin_host};
