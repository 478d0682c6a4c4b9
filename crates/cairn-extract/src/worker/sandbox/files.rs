//! Landlock: no path can be opened, made, changed or executed, no TCP port bound or reached.
//!
//! See `landlock(7)`. Everything that the running kernel can refuse is refused, and there is no rule that allows
//! anything. What Landlock leaves open at any version (metadata of files, UDP, descriptors that are open already) is the
//! matter of `calls.rs` and `process.rs`.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, Ruleset,
    RulesetAttr as _, RulesetError, RulesetStatus, Scope,
};

/// The newest version that the crate knows; older kernels enforce the part they have.
const NEWEST: ABI = ABI::V9;

/// Refuses all access for this thread and those it starts; gives the version of the interface that is in force.
pub(super) fn refuse_all() -> Result<u32, String> {
    let status = restrict().map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotImplemented) => {
            Err("not built into this kernel".into())
        }
        (RulesetStatus::NotEnforced, _) => Err("not enabled on this system".into()),
        (_, LandlockStatus::Available { effective_abi, .. }) => Ok(effective_abi as u32),
        (_, _) => Err("enforced by a kernel that does not say how".into()),
    }
}

fn restrict() -> Result<landlock::RestrictionStatus, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()
}
