//! How many there are from one source, so that none takes the places of all others (W-072).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::http::Source;
use crate::hub::lock;

/// Counts by source; clones share the counts.
#[derive(Debug, Clone)]
pub struct Crowd {
    most: usize,
    here: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place in a crowd, held until it is dropped.
#[derive(Debug)]
pub struct CrowdPlace {
    crowd: Crowd,
    source: String,
}

impl Crowd {
    /// An empty crowd that takes so many of each source.
    pub fn new(most: usize) -> Self {
        Self { most, here: Arc::default() }
    }

    /// Takes one more of a source; `None` when there are enough of it.
    pub fn enter(&self, source: Source) -> Option<CrowdPlace> {
        let source = source.key();
        let mut here = lock(&self.here);
        // Looked at before it is made, so that a refusal leaves nothing behind.
        if here.get(&source).copied().unwrap_or_default() >= self.most {
            return None;
        }
        *here.entry(source.clone()).or_default() += 1;
        drop(here);
        Some(CrowdPlace { crowd: self.clone(), source })
    }
}

impl Drop for CrowdPlace {
    fn drop(&mut self) {
        let mut here = lock(&self.crowd.here);
        if let Some(count) = here.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                here.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_leaves_room_for_others() {
        let crowd = Crowd::new(2);
        let source = |text: &str| Source(text.parse().expect("an address"));
        let first = crowd.enter(source("2001:db8::1"));
        let second = crowd.enter(source("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(crowd.enter(source("2001:db8::3")).is_none(), "its network is one source");
        assert!(crowd.enter(source("10.0.0.1")).is_some());
        drop(first);
        assert!(crowd.enter(source("2001:db8::3")).is_some());
        drop(second);
        assert_eq!(lock(&crowd.here).len(), 0, "who has left is not remembered");
    }
}
