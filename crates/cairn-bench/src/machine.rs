//! The machine that something was measured on, and the memory of a process. What a system does not tell is left out.

use std::path::Path;

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Model of its processor.
    pub cpu: String,
    /// Instructions that matter to Cairn.
    pub features: Vec<&'static str>,
    /// Threads that run at once.
    pub n_cores: usize,
    /// Main memory.
    pub memory_bytes: Option<u64>,
    /// System and its version.
    pub os: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let arch = std::env::consts::ARCH;
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| arch.to_owned());
        let name = field_by("/etc/os-release", "PRETTY_NAME", '=')
            .map(|name| name.trim_matches('"').to_owned());
        let kernel = fs_err::read_to_string("/proc/sys/kernel/osrelease")
            .map(|version| format!(" ({} {})", std::env::consts::OS, version.trim()));
        let os =
            name.unwrap_or_else(|| std::env::consts::OS.to_owned()) + &kernel.unwrap_or_default();
        Self {
            cpu,
            features: features(),
            n_cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: field("/proc/meminfo", "MemTotal").and_then(|text| kilobytes(&text)),
            os,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let known = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
        (
            "avx512vpopcntdq",
            is_x86_feature_detected!("avx512vpopcntdq"),
        ),
    ];
    let present = known.into_iter().filter(|(_, is_there)| *is_there);
    present.map(|(name, _)| name).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    let known = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        (
            "dotprod",
            std::arch::is_aarch64_feature_detected!("dotprod"),
        ),
        ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
        ("bf16", std::arch::is_aarch64_feature_detected!("bf16")),
    ];
    let present = known.into_iter().filter(|(_, is_there)| *is_there);
    present.map(|(name, _)| name).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

/// Memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessMemory {
    /// In main memory now.
    pub resident_bytes: u64,
    /// The most that it ever had there.
    pub peak_bytes: u64,
}

impl ProcessMemory {
    /// That of the process with this id; `None` where there is none, or where the system does not tell.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let path = format!("/proc/{pid}/status");
        let bytes = |name| field(&path, name).and_then(|text| kilobytes(&text));
        Some(Self {
            resident_bytes: bytes("VmRSS")?,
            peak_bytes: bytes("VmHWM")?,
        })
    }
}

/// Processes that this one started and that run still.
#[must_use]
pub fn children_of(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs_err::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = tasks
        .flatten()
        .filter_map(|task| fs_err::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// Bytes of the files in a folder and below it.
#[must_use]
pub fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) if meta.is_file() => meta.len(),
            _ => 0,
        })
        .sum()
}

fn field(path: &str, name: &str) -> Option<String> {
    field_by(path, name, ':')
}

fn field_by(path: &str, name: &str, separator: char) -> Option<String> {
    let text = fs_err::read_to_string(path).ok()?;
    text.lines()
        .filter_map(|line| line.split_once(separator))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

fn kilobytes(text: &str) -> Option<u64> {
    let number: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_core_and_a_name() {
        let machine = Machine::this();
        assert!(machine.n_cores > 0 && !machine.cpu.is_empty() && !machine.os.is_empty());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        let memory = ProcessMemory::of(std::process::id()).unwrap();
        assert!(memory.resident_bytes > 100_000 && memory.peak_bytes >= memory.resident_bytes);
        assert!(ProcessMemory::of(u32::MAX).is_none());
        assert!(children_of(u32::MAX).is_empty());
    }

    #[test]
    fn folders_have_the_size_of_their_files() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("inner")).unwrap();
        fs_err::write(folder.path().join("inner/a"), "12345").unwrap();
        fs_err::write(folder.path().join("b"), "123").unwrap();
        assert_eq!(bytes_below(folder.path()), 8);
        assert_eq!(bytes_below(&folder.path().join("none")), 0);
    }
}
