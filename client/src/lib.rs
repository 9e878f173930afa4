//! Talks to a hub: API, socket, resumable follow.
