//! Settings: flag, environment, file, default, in this order; where each value came from; all problems at once.
//!
//! The only place that reads the environment.

mod keys;
mod load;
#[cfg(test)]
mod reference;
mod settings;

pub(crate) use keys::{KEYS, variable};
pub(crate) use load::{Effective, Origin, load};
pub(crate) use settings::Settings;
