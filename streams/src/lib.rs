//! Durable Streams over any store: offsets, producers, live tails, and their HTTP face.
