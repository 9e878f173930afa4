//! One file for each thing that a person asks of the running node, or of this machine.

mod access;
mod answer;
mod audit;
mod config;
mod edit;
mod export;
mod hub;
mod lists;
mod logs;
mod open;
mod pair;
mod policy;
mod printer;
mod rules;
mod send;
mod shell;
mod state;
mod tail;

pub(crate) use access::access;
pub(crate) use answer::{answer, cancel};
pub(crate) use audit::audit;
pub(crate) use config::{edit as edit_config, path as config_path, reference as config_reference, show as show_config};
pub(crate) use edit::{archive, delete, rename};
pub(crate) use export::export;
pub(crate) use hub::{hub, secret_picture, secret_url};
pub(crate) use lists::{add_project, devices, projects, revoke, sessions, time as time_shown};
pub(crate) use logs::logs;
pub(crate) use open::open;
pub(crate) use pair::{code as offered_code, is_yes, line as claim_line, pair, pair_url, picture as offered_picture};
pub(crate) use policy::{reference as policy_reference, show as show_policy, test as test_policy};
pub(crate) use rules::{revoke_rule, rules};
pub(crate) use send::send;
pub(crate) use shell::{completions, man, page as cli_page};
pub(crate) use state::state;
pub(crate) use tail::tail;
