//! One file for each thing that a person asks of the running node.

mod answer;
mod config;
mod lists;
mod pair;
mod printer;
mod send;
mod tail;

pub(crate) use answer::{answer, cancel};
pub(crate) use config::{edit as edit_config, path as config_path, reference as config_reference, show as show_config};
pub(crate) use lists::{add_project, devices, projects, revoke, sessions};
pub(crate) use pair::{code as offered_code, is_yes, line as claim_line, pair, pair_url};
pub(crate) use send::send;
pub(crate) use tail::tail;
