//! libFuzzer around the target that the environment names in `CAIRN_FUZZ_TARGET`.
//!
//! Built by `cargo xtask full`, with the instrumentation that the engine needs; arguments are the engine's own.
#![no_main]
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "the arguments belong to the engine, so the target stands in the environment, and must stand there"
)]

use std::sync::LazyLock;

use cairn_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    cairn_fuzz::watch_panics();
    let name = std::env::var("CAIRN_FUZZ_TARGET").unwrap_or_default();
    cairn_fuzz::TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| panic!("CAIRN_FUZZ_TARGET names no target: `{name}`"))
});

fuzz_target!(|data: &[u8]| {
    (TARGET.run)(data);
});
