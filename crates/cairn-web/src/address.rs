//! Which addresses may be connected to: public ones, and those that the operator has named.
//!
//! The lists follow the special-purpose registries of IANA (RFC 6890 and its updates): IPv4 is public outside the listed blocks;
//! IPv6 is public only inside `2000::/3` and outside the listed blocks, so that blocks which are given a meaning later stay shut.
//! Forms that carry an IPv4 address inside an IPv6 one (mapped, 6to4, Teredo, NAT64) are refused whole, whatever they carry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Blocks of IPv4 that are not public, and what a person is told.
const SPECIAL_V4: [(Ipv4Addr, u32, &str); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-internal"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // The metadata services of clouds answer at 168.63.129.16 (a public number) and 169.254.169.254.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "metadata"),
    (Ipv4Addr::new(169, 254, 169, 254), 32, "metadata"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// Blocks of IPv6 that have a name worth telling; what is not in `2000::/3` is refused without one, too.
const SPECIAL_V6: [(Ipv6Addr, u32, &str); 14] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (v6([0, 0, 0, 0, 0, 0xffff]), 96, "IPv4-mapped"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0]), 96, "translated (NAT64)"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0]), 48, "translated (NAT64)"),
    (v6([0x2001, 0, 0, 0, 0, 0]), 32, "tunnelled (Teredo)"),
    (v6([0x2001, 2, 0, 0, 0, 0]), 48, "benchmarking"),
    (v6([0x2001, 0, 0, 0, 0, 0]), 23, "reserved"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0]), 32, "documentation"),
    (v6([0x2002, 0, 0, 0, 0, 0]), 16, "tunnelled (6to4)"),
    (v6([0x3fff, 0, 0, 0, 0, 0]), 20, "documentation"),
    (v6([0xfc00, 0, 0, 0, 0, 0]), 7, "private"),
    (v6([0xfe80, 0, 0, 0, 0, 0]), 10, "link-local"),
    (v6([0xff00, 0, 0, 0, 0, 0]), 8, "multicast"),
];

const fn v6(start: [u16; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = start;
    Ipv6Addr::new(a, b, c, d, e, f, 0, 0)
}

/// Why an address is not public; `None` where it is.
pub(crate) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => SPECIAL_V4
            .iter()
            .find(|(base, bits, _)| Network::new((*base).into(), *bits).holds(address.into()))
            .map(|(_, _, name)| *name),
        IpAddr::V6(address) => {
            let named = SPECIAL_V6
                .iter()
                .find(|(base, bits, _)| Network::new((*base).into(), *bits).holds(address.into()))
                .map(|(_, _, name)| *name);
            let is_global = address.segments()[0] & 0xe000 == 0x2000;
            named.or_else(|| (!is_global).then_some("reserved"))
        }
    }
}

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u32,
}

impl Network {
    const fn new(base: IpAddr, bits: u32) -> Self {
        Self { base, bits }
    }

    fn holds(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32 - self.bits;
                u32::from(base).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - self.bits;
                u128::from(base).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// What an operator wrote is neither a network nor the name of a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a network such as `10.0.0.0/8`, an address nor the name of a host")]
pub struct BadAllowed(pub String);

/// Networks and hosts that may be reached although they are not public. Empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    networks: Vec<Network>,
    /// Lower case, without a trailing dot.
    hosts: Vec<String>,
}

impl Allowed {
    /// Reads entries such as `10.0.0.0/8`, `::1` and `intranet.example`.
    ///
    /// # Errors
    /// The first entry that is none of them.
    pub fn new<'t>(entries: impl IntoIterator<Item = &'t str>) -> Result<Self, BadAllowed> {
        let mut allowed = Self::default();
        for entry in entries {
            let bad = || BadAllowed(entry.to_owned());
            let (address, bits) = match entry.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| bad())?)),
                None => (entry, None),
            };
            if let Ok(base) = IpAddr::from_str(address) {
                let all = if base.is_ipv4() { 32 } else { 128 };
                let bits = bits.unwrap_or(all);
                if bits > all {
                    return Err(bad());
                }
                allowed.networks.push(Network { base, bits });
                continue;
            }
            let is_name = bits.is_none()
                && !address.is_empty()
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
            if !is_name {
                return Err(bad());
            }
            allowed
                .hosts
                .push(address.trim_end_matches('.').to_ascii_lowercase());
        }
        Ok(allowed)
    }

    /// Whether this host, which has this address, may be connected to; else why not. A host that is allowed by name may be
    /// private or on this machine, but link-local and metadata addresses are reached only where their network is named:
    /// no machine's name should lead there.
    pub(crate) fn check(&self, host: &str, address: IpAddr) -> Result<(), &'static str> {
        let Some(why) = special(address) else {
            return Ok(());
        };
        let host = host.trim_end_matches('.');
        let by_network = self.networks.iter().any(|network| network.holds(address));
        let by_name = matches!(why, "private" | "loopback" | "carrier-internal")
            && self.hosts.iter().any(|one| one.eq_ignore_ascii_case(host));
        if by_network || by_name {
            Ok(())
        } else {
            Err(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for (address, expect) in [
            ("8.8.8.8", None),
            ("1.1.1.1", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("100.63.255.255", None),
            ("192.0.1.0", None),
            ("223.255.255.255", None),
            ("0.0.0.0", Some("unspecified")),
            ("0.1.2.3", Some("unspecified")),
            ("10.255.0.1", Some("private")),
            ("100.64.0.1", Some("carrier-internal")),
            ("100.100.100.200", Some("carrier-internal")),
            ("127.0.0.1", Some("loopback")),
            ("127.255.255.254", Some("loopback")),
            ("168.63.129.16", Some("metadata")),
            ("168.63.129.17", None),
            ("169.254.169.254", Some("metadata")),
            ("169.254.1.1", Some("link-local")),
            ("172.16.0.1", Some("private")),
            ("172.31.255.255", Some("private")),
            ("192.0.0.192", Some("reserved")),
            ("192.0.2.1", Some("documentation")),
            ("192.88.99.1", Some("relay")),
            ("192.168.1.1", Some("private")),
            ("198.18.0.1", Some("benchmarking")),
            ("198.19.255.255", Some("benchmarking")),
            ("198.51.100.1", Some("documentation")),
            ("203.0.113.9", Some("documentation")),
            ("224.0.0.1", Some("multicast")),
            ("239.255.255.250", Some("multicast")),
            ("240.0.0.1", Some("reserved")),
            ("255.255.255.255", Some("reserved")),
            ("2606:4700:4700::1111", None),
            ("2a00:1450::1", None),
            ("::", Some("unspecified")),
            ("::1", Some("loopback")),
            ("::ffff:127.0.0.1", Some("IPv4-mapped")),
            ("::ffff:8.8.8.8", Some("IPv4-mapped")),
            ("::127.0.0.1", Some("reserved")),
            ("64:ff9b::7f00:1", Some("translated (NAT64)")),
            ("64:ff9b:1::1", Some("translated (NAT64)")),
            ("100::1", Some("reserved")),
            ("2001::1", Some("tunnelled (Teredo)")),
            ("2001:2::1", Some("benchmarking")),
            ("2001:20::1", Some("reserved")),
            ("2001:db8::1", Some("documentation")),
            ("2002:7f00:1::", Some("tunnelled (6to4)")),
            ("3fff::1", Some("documentation")),
            ("4000::1", Some("reserved")),
            ("fc00::1", Some("private")),
            ("fd00:ec2::254", Some("private")),
            ("fe80::1", Some("link-local")),
            ("fec0::1", Some("reserved")),
            ("ff02::1", Some("multicast")),
        ] {
            assert_eq!(special(address.parse().unwrap()), expect, "{address}");
        }
    }

    #[test]
    fn an_operator_opens_networks_and_hosts_and_no_more() {
        let allowed =
            Allowed::new(["10.0.0.0/8", "fd00::/8", "127.0.0.1", "Intranet.Example."]).unwrap();
        for (host, address, expect) in [
            ("a", "10.9.9.9", true),
            ("a", "192.168.0.1", false),
            ("a", "127.0.0.1", true),
            ("a", "127.0.0.2", false),
            ("a", "fd00:ec2::254", true),
            ("a", "fe80::1", false),
            ("intranet.example", "192.168.0.1", true),
            ("INTRANET.example.", "127.0.0.2", true),
            ("x.intranet.example", "192.168.0.1", false),
            ("intranet.example", "169.254.169.254", false),
            ("intranet.example", "::ffff:10.0.0.1", false),
            ("a", "8.8.8.8", true),
        ] {
            let is_open = allowed.check(host, address.parse().unwrap()).is_ok();
            assert_eq!(is_open, expect, "{host} {address}");
        }
        assert!(
            Allowed::default()
                .check("a", "10.0.0.1".parse().unwrap())
                .is_err()
        );
        assert!(
            Allowed::new(["0.0.0.0/0"])
                .unwrap()
                .check("a", "10.0.0.1".parse().unwrap())
                .is_ok()
        );
        for bad in [
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/x",
            "host/8",
            "http://h",
            "",
            "a b",
        ] {
            assert_eq!(
                Allowed::new([bad]),
                Err(BadAllowed(bad.to_owned())),
                "{bad}"
            );
        }
    }
}
