//! Golden sets, measures and gates.
