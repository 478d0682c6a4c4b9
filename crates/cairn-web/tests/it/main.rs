//! The client against real servers on this machine, which it may reach only where the test's settings say so.

mod fetching;
mod private;
mod server;
