//! Everything a developer types.
fn main() {}
