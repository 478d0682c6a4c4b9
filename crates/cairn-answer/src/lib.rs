//! Grounded answers with verified citations.
