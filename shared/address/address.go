// Package address knows which IP addresses lead into private networks.
package address

import (
	"net/netip"
	"sync"
)

// nat64 is the prefix under which an IPv4 address is reached through NAT64 (RFC 6052).
var nat64 = sync.OnceValue(func() netip.Prefix { return netip.MustParsePrefix("64:ff9b::/96") })

// special are addresses that no stranger's name may lead to: the IANA registries of special-purpose IPv4 and IPv6
// addresses (RFC 6890), multicast, what used to be 6to4 and Teredo, and Azure's own service at 168.63.129.16.
var special = sync.OnceValue(func() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
})

// global is where public IPv6 addresses are (RFC 4291, section 2.4).
var global = sync.OnceValue(func() netip.Prefix { return netip.MustParsePrefix("2000::/3") })

// Public reports whether an address is one of the Internet's: nothing of this machine, of its network, or of its
// hoster's own services. Who lets strangers name a host asks it at the moment of the connection, with the address
// that is then connected to.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if nat64().Contains(addr) {
		bytes := addr.As16()
		return Public(netip.AddrFrom4([4]byte(bytes[12:])))
	}
	if addr.Zone() != "" || addr.Is6() && !global().Contains(addr) {
		return false
	}
	for _, p := range special() {
		if p.Contains(addr) {
			return false
		}
	}
	return addr.IsValid()
}
