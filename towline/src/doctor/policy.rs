//! The policy of the machine: whether there is one, and whether it can be used.

use host::consent::Policy;
use protocol::health::{Finding, FindingLevel};

use crate::config::Settings;

/// Most mistakes that are told; `towline policy show` tells all.
const MOST: usize = 5;

/// Looks at it, as each decision does; blocks on the disk.
pub(super) fn look(settings: &Settings) -> Finding {
    let Some(file) = settings.policy_file.as_deref() else {
        return Finding::new("policy", FindingLevel::Ok, "There is no policy: people and their standing rules decide");
    };
    match Policy::read(file) {
        Policy::None => {
            Finding::new("policy", FindingLevel::Ok, "There is no policy: people and their standing rules decide")
                .detail(format!("It would be {}", file.display()))
        }
        Policy::Rules { rules, .. } => {
            let count = if rules.len() == 1 { "one rule".to_owned() } else { format!("{} rules", rules.len()) };
            Finding::new("policy", FindingLevel::Ok, format!("The policy is right: {count}"))
                .detail(format!("It is {}", file.display()))
        }
        Policy::Broken { mistakes, .. } => {
            let mut told: Vec<String> = mistakes
                .iter()
                .take(MOST)
                .map(|mistake| format!("{}:{}: {}", file.display(), mistake.line, mistake.what))
                .collect();
            if mistakes.len() > MOST {
                told.push(format!("and {} more", mistakes.len() - MOST));
            }
            Finding::new("policy", FindingLevel::Problem, "The policy is not right, so every act is asked for")
                .detail(told.join("\n"))
                .next("Correct it (`towline policy reference` says what can stand in it), then see `towline policy show`.")
        }
    }
}
