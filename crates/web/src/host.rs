//! What counts as one host.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv6 host has 2⁶⁴ addresses: they are one.
pub(crate) fn host_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}
