//! Links to other hubs: whether each carries what it should.

use link::Phase;
use protocol::health::{Finding, FindingLevel};

use crate::data_dir::DataDir;
use crate::links::Folder;

/// Looks at what the running node last saw of its links.
pub(super) fn look(dir: &DataDir, runs: bool) -> Vec<Finding> {
    let folder = Folder::of(dir);
    let looked = folder.all().into_iter().map(|(name, link)| {
        if let Err(words) = link.remote() {
            return Finding::new("link", FindingLevel::Problem, format!("The link to {} cannot be used", link.url))
                .detail(words)
                .next(format!("towline link remove {name}, then: towline link add {}", link.url));
        }
        let Some(state) = folder.state(&name).filter(|_| runs) else {
            return Finding::new("link", FindingLevel::Ok, format!("Linked to {} while Towline runs", link.url));
        };
        let (level, title) = match state.phase {
            Phase::Live | Phase::Comparing => (FindingLevel::Ok, format!("Linked to {}", link.url)),
            Phase::Connecting | Phase::Waiting => {
                (FindingLevel::Warning, format!("Not linked to {} now; it is tried again and again", link.url))
            }
            Phase::Stopped => (FindingLevel::Problem, format!("The link to {} has stopped", link.url)),
        };
        let mut finding = Finding::new("link", level, title);
        if let Some(trouble) = state.trouble {
            let fenced = trouble.fenced.map(|stream| format!(" ({stream})")).unwrap_or_default();
            finding.detail = Some(format!("{}{fenced}", trouble.words));
            finding.next = trouble.hint;
        }
        finding
    });
    looked.collect()
}
