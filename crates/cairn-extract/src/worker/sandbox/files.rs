//! Landlock: no path can be opened, made, changed or executed, no TCP port bound or reached.
//!
//! For a worker. A program that is not ours reads what the system's packages installed and writes in one folder.
//!
//! See `landlock(7)`. Everything that the running kernel can refuse is refused, and for a worker no rule
//! allows anything. What Landlock leaves open at any version (metadata of files, UDP, descriptors that are open already) is the
//! matter of `calls.rs` and `process.rs`.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// The newest version that the crate knows; older kernels enforce the part they have.
const NEWEST: ABI = ABI::V9;

/// Where packages put programs, libraries and their data: read and executed. What is not there is passed over. Not `/opt`,
/// where people put whole applications with their settings: a program from there brings its own prefix.
const SYSTEM: [&str; 8] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
];
/// What programs read beside that: the loader's cache, fonts, settings and choices of packages, the time zone. Not
/// `/etc` as a whole, where secrets are.
const SETTINGS: [&str; 9] = [
    "/etc/ld.so.cache",
    "/etc/fonts",
    "/etc/libreoffice",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/mime.types",
    "/var/cache/fontconfig",
    "/var/lib/libreoffice",
    "/var/spool/libreoffice",
];
/// What the kernel offers to everybody.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];

/// Refuses all access for this thread and those it starts; gives the version of the interface that is in force.
pub(super) fn refuse_all() -> Result<u32, String> {
    enforced(handle_all().and_then(RulesetCreated::restrict_self))
}

/// Refuses all but reading the system, `program` and `readable`, and writing beneath `folder`. Nothing that was written
/// can be executed, no device opened or made.
pub(super) fn confine(folder: &Path, program: &Path, readable: &[PathBuf]) -> Result<u32, String> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let system = read | AccessFs::Execute;
    let devices: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::WriteFile;
    let no_part = AccessFs::Execute
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::IoctlDev
        | AccessFs::ResolveUnix;
    let own = AccessFs::from_all(NEWEST) & !no_part;
    enforced(handle_all().and_then(|ruleset| {
        ruleset
            .add_rules(path_beneath_rules(SYSTEM, system))?
            .add_rules(path_beneath_rules(belonging_to(program), system))?
            .add_rules(path_beneath_rules(SETTINGS, read))?
            .add_rules(path_beneath_rules(readable, read))?
            .add_rules(path_beneath_rules(DEVICES, devices))?
            .add_rules(path_beneath_rules([folder], own))?
            .restrict_self()
    }))
}

/// The program's file and, where it stands elsewhere than the system's, what was installed with it: by the usual
/// layout of a prefix, or that of `LibreOffice`. A folder of any other name may be somebody's home.
fn belonging_to(program: &Path) -> Vec<PathBuf> {
    let mut paths = vec![program.to_owned()];
    let real = fs_err::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    if let Some(folder) = real.parent()
        && let Some(prefix) = folder.parent()
    {
        match folder.file_name().and_then(|name| name.to_str()) {
            Some("bin") => {
                paths.extend(
                    ["bin", "lib", "lib64", "libexec", "share"].map(|name| prefix.join(name)),
                );
            }
            Some("program") => paths.push(prefix.to_owned()),
            _ => {}
        }
    }
    paths.push(real);
    paths
}

/// All that the kernel can refuse.
fn handle_all() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()
}

fn enforced(result: Result<RestrictionStatus, RulesetError>) -> Result<u32, String> {
    let status = result.map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotImplemented) => {
            Err("not built into this kernel".into())
        }
        (RulesetStatus::NotEnforced, _) => Err("not enabled on this system".into()),
        (_, LandlockStatus::Available { effective_abi, .. }) => Ok(effective_abi as u32),
        (_, _) => Err("enforced by a kernel that does not say how".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_brings_its_prefix_and_no_home() {
        let of = |program: &str| -> Vec<String> {
            belonging_to(Path::new(program))
                .iter()
                .map(|path| path.display().to_string())
                .collect()
        };
        assert_eq!(
            of("/nonexistent/office/program/soffice"),
            [
                "/nonexistent/office/program/soffice",
                "/nonexistent/office",
                "/nonexistent/office/program/soffice"
            ]
        );
        let with_prefix = of("/nonexistent/bin/tesseract");
        assert!(with_prefix.contains(&"/nonexistent/share".to_owned()));
        assert!(!with_prefix.contains(&"/nonexistent".to_owned()));
        assert_eq!(of("/nonexistent/anna/tesseract").len(), 2);
        // The layout of the packages that the makers of `LibreOffice` give out.
        let office = of("/opt/libreoffice25.8/program/soffice");
        assert!(office.contains(&"/opt/libreoffice25.8".to_owned()));
    }
}
