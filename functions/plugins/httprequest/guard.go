package httprequest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Patience with a host.
const (
	lookupTime    = 5 * time.Second
	dialTime      = 10 * time.Second
	handshakeTime = 10 * time.Second
	maxHeaders    = 64 << 10 // bytes of an answer's headers
)

// guard connects to allowed hosts only. A name is looked up once, all its addresses are checked, and those are
// dialled: what a name leads to cannot change in between.
type guard struct {
	allow  allowList
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	dialer net.Dialer
}

func newGuard(allow allowList) *guard {
	return &guard{allow: allow, lookup: net.DefaultResolver.LookupNetIP, dialer: net.Dialer{Timeout: dialTime}}
}

// transport makes connections for one call: none is kept, none goes through a proxy, and nothing is decompressed
// without a bound.
func (g *guard) transport() *http.Transport {
	return &http.Transport{
		DialContext: g.dial, DisableKeepAlives: true, DisableCompression: true,
		TLSHandshakeTimeout: handshakeTime, MaxResponseHeaderBytes: maxHeaders,
	}
}

// check refuses an address that may not be called, as far as its text tells.
func (g *guard) check(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fault.New(fault.Invalid, "want an http:// or https:// address").At("params.url")
	}
	host, port := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), portOf(u)
	switch {
	case host == "" || port == 0:
		return fault.New(fault.Invalid, "the address has no host, or no port that exists").At("params.url")
	case u.User != nil:
		return fault.New(fault.Invalid, "no user and password in an address; use the header Authorization").At("params.url")
	case strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fault.New(fault.Invalid, "write the host in ASCII (xn--…)").At("params.url")
	case !g.allow.may(host, port):
		return g.refusal(host, port)
	}
	return nil
}

func (g *guard) refusal(host string, port uint16) error {
	return fault.New(fault.Forbidden, "%s is not a host that may be called", net.JoinHostPort(host, strconv.Itoa(int(port)))).
		At("params.url").Try("add it to " + allowSetting)
}

// portOf is the port of an address, 0 for one that does not exist.
func portOf(u *url.URL) uint16 {
	switch {
	case u.Port() == "" && u.Scheme == "https":
		return 443
	case u.Port() == "":
		return 80
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	host, port := strings.ToLower(strings.TrimSuffix(host, ".")), uint16(n)
	found, err := g.addresses(ctx, host)
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "the host %s cannot be found", host)
	}
	for _, addr := range found {
		if !g.allow.reaches(host, addr, port) {
			return nil, g.refusal(host, port)
		}
	}
	var failures error
	for _, addr := range found {
		conn, err := g.dialer.DialContext(ctx, network, netip.AddrPortFrom(addr.Unmap(), port).String())
		if err == nil {
			return conn, nil
		}
		failures = errors.Join(failures, err)
	}
	return nil, fault.As(fault.Unavailable, failures, "the host %s cannot be reached", host)
}

func (g *guard) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	found, err := g.lookup(ctx, "ip", host)
	if err == nil && len(found) == 0 {
		err = errors.New("no address")
	}
	return found, err
}
