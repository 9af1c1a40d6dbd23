package httprequest

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/address"
	"github.com/hearthfaas/hearth/shared/fault"
)

// anywhere is the default of HTTP_REQUEST_ALLOW: every public host, and nothing private.
const anywhere = "*"

// allowList is HTTP_REQUEST_ALLOW: entries with commas or blanks between them. An entry is a host name
// (api.example.com), all names under one (*.example.com), any name (*), an address or a range of addresses
// (10.1.2.3, 10.0.0.0/8, [fd00::]/8), each with :port or :* behind it for other ports than 80 and 443. Names lead to
// public addresses only; what is private is called when an address or range names it.
type allowList []allowed

// allowed is one entry: a name, or addresses.
type allowed struct {
	name  string
	nets  netip.Prefix
	port  uint16 // 0 for 80 and 443
	ports bool   // any
}

func parseAllow(setting string) (allowList, error) {
	var list allowList
	for _, text := range strings.FieldsFunc(setting, func(r rune) bool { return strings.ContainsRune(", \t\r\n;", r) }) {
		a, err := parseEntry(strings.ToLower(text))
		if err != nil {
			return nil, fault.As(fault.Invalid, err, "want a host, *.host, an address or a range, with :port or :* behind it, not %.80q", text).At(allowSetting)
		}
		list = append(list, a)
	}
	return list, nil
}

func parseEntry(text string) (allowed, error) {
	var a allowed
	host, port := text, ""
	if bare, rest, found := strings.Cut(strings.TrimPrefix(text, "["), "]"); found && strings.HasPrefix(text, "[") {
		bits, after, _ := strings.Cut(rest, ":")
		host, port = bare+bits, after
	} else if strings.Count(text, ":") == 1 {
		host, port, _ = strings.Cut(text, ":")
	}
	switch {
	case port == "*":
		a.ports = true
	case port != "":
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return a, fault.New(fault.Invalid, "not a port")
		}
		a.port = uint16(n)
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		a.nets = netip.PrefixFrom(addr, addr.BitLen())
		return a, nil
	}
	if strings.Contains(host, "/") {
		var err error
		a.nets, err = netip.ParsePrefix(host)
		return a, err
	}
	if rest := strings.TrimPrefix(host, "*."); host != anywhere && (rest == "" || strings.ContainsAny(rest, "*:[]@")) {
		return a, fault.New(fault.Invalid, "not a host")
	}
	a.name = strings.TrimSuffix(host, ".")
	return a, nil
}

func (a allowed) takes(port uint16) bool {
	return a.ports || a.port == port || a.port == 0 && (port == 80 || port == 443)
}

// names reports whether a host may be called by this name.
func (l allowList) names(host string, port uint16) bool {
	for _, a := range l {
		under, wild := strings.CutPrefix(a.name, "*.")
		named := a.name == anywhere || a.name == host || wild && strings.HasSuffix(host, "."+under)
		if a.name != "" && named && a.takes(port) {
			return true
		}
	}
	return false
}

// holds reports whether an address may be called for its own sake, private or not.
func (l allowList) holds(addr netip.Addr, port uint16) bool {
	for _, a := range l {
		if a.nets.IsValid() && a.nets.Contains(addr) && a.takes(port) {
			return true
		}
	}
	return false
}

// may reports whether something at this host and port can be called at all, before anybody asks where it is.
func (l allowList) may(host string, port uint16) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return l.reaches(host, addr, port)
	}
	if l.names(host, port) {
		return true
	}
	for _, a := range l {
		if a.nets.IsValid() && a.takes(port) {
			return true
		}
	}
	return false
}

// reaches reports whether host, which has this address, may be called.
func (l allowList) reaches(host string, addr netip.Addr, port uint16) bool {
	addr = addr.Unmap()
	if addr.Zone() != "" {
		return false
	}
	return l.holds(addr, port) || l.names(host, port) && address.Public(addr)
}
