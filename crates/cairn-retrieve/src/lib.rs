//! The way out up to ranked passages: plan, retrieve, fuse, hydrate and check, explain.
