//! The client against real servers on this machine, which it may reach only where the test's settings say so.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not know for such"
)]

mod certificates;
mod fetching;
mod private;
mod server;
