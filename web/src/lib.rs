//! The TypeScript UI and the table of its built files.
