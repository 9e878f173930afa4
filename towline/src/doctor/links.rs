//! Links to other hubs: whether each carries what it should.

use link::{Phase, Slow};
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
        if let Some(slow) = state.slow {
            finding = slow_way(&finding.title, &slow);
        }
        finding
    });
    looked.collect()
}

/// A link that works, by a way that takes longer than it would have to.
fn slow_way(title: &str, slow: &Slow) -> Finding {
    let title = format!("{title}, by a slow way: no WebSocket gets through");
    let how = if slow.pushed { "it goes by requests" } else { "it looks every few seconds" };
    Finding::new("link", FindingLevel::Warning, title).detail(format!("{how}, because {}", slow.words)).next(
        "Let the proxy pass `Upgrade: websocket` on `/v1/link`, or link by an address that does not lead through it.",
    )
}
