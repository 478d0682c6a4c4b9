//! Fixtures and personas for tests.
