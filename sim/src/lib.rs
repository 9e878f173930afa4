//! Deterministic worlds: real hubs and clients on a simulated network and disk.
