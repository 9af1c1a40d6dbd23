package httprequest

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
)

func list(t *testing.T, setting string) allowList {
	t.Helper()
	l, err := parseAllow(setting)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestPrivateIsOutOfReach: whatever an address looks like, by default it is called only if it is one of the Internet's.
func TestPrivateIsOutOfReach(t *testing.T) {
	l := list(t, anywhere)
	for _, text := range []string{
		"127.0.0.1", "127.255.0.9", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
		"100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "240.0.0.1",
		"255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fec0::1",
		"fc00::1", "fd00::1", "fd00:ec2::254", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::",
		"2002:a00:1::1", "2001::1", "2001:db8::1", "3fff::1", "100::1",
	} {
		if l.reaches("name.example", netip.MustParseAddr(text), 80) {
			t.Errorf("%s is called", text)
		}
	}
	for _, text := range []string{"8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:4860:4860::8888", "2606:4700::1", "64:ff9b::808:808", "::ffff:8.8.8.8"} {
		if !l.reaches("name.example", netip.MustParseAddr(text), 443) {
			t.Errorf("%s is not called", text)
		}
	}
}

func TestAllowList(t *testing.T) {
	l := list(t, "api.example.com, *.Example.org:8443\n10.0.0.0/8:* [fd00::]/8:9000 192.168.1.5 bücher.example")
	for _, c := range []struct {
		host, addr string
		port       uint16
		want       bool
	}{
		{"api.example.com", "8.8.8.8", 443, true},
		{"api.example.com", "8.8.8.8", 80, true},
		{"api.example.com", "8.8.8.8", 8443, false},
		{"api.example.com", "192.168.1.6", 443, false}, // a name leads to public addresses only
		{"api.example.com", "192.168.1.5", 443, true},  // and to private ones that are allowed themselves
		{"x.api.example.com", "8.8.8.8", 443, false},
		{"evilapi.example.com", "8.8.8.8", 443, false},
		{"api.example.com.evil.net", "8.8.8.8", 443, false},
		{"a.example.org", "8.8.8.8", 8443, true},
		{"a.b.example.org", "8.8.8.8", 8443, true},
		{"example.org", "8.8.8.8", 8443, false},
		{"a.example.org", "8.8.8.8", 443, false},
		{"intern", "10.1.2.3", 8080, true},
		{"intern", "::ffff:10.1.2.3", 8080, true},
		{"intern", "11.1.2.3", 8080, false},
		{"intern", "fd00::5", 9000, true},
		{"intern", "fd00::5", 80, false},
		{"192.168.1.5", "192.168.1.5", 80, true},
		{"192.168.1.5", "192.168.1.5", 81, false},
	} {
		if got := l.reaches(c.host, netip.MustParseAddr(c.addr), c.port); got != c.want {
			t.Errorf("%s (%s) port %d: %v", c.host, c.addr, c.port, got)
		}
	}
	for _, setting := range []string{"*foo.com", "a*b", "10.0.0.0/99", "host:0", "host:99999", "host:x", "*.", "http://x", "u@h"} {
		if _, err := parseAllow(setting); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q passed: %v", setting, err)
		}
	}
	if empty := list(t, " "); empty.may("api.example.com", 443) || empty.reaches("x", netip.MustParseAddr("8.8.8.8"), 80) {
		t.Error("an empty list allows something")
	}
}

// TestNameIsLookedUpOnce: all addresses of a name are checked, and the checked ones are dialled.
func TestNameIsLookedUpOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		allow string
		addrs []string
		kind  fault.Kind
	}{
		{"127.0.0.0/8:*", []string{"127.0.0.1"}, ""},
		{"127.0.0.0/8:*", []string{"127.0.0.2", "::ffff:127.0.0.1"}, ""}, // the first does not listen
		{"*:*", []string{"127.0.0.1"}, fault.Forbidden},
		{"*:*", []string{"8.8.8.8", "127.0.0.1"}, fault.Forbidden}, // one bad address is enough
		{"*:*", []string{"::ffff:127.0.0.1"}, fault.Forbidden},
		{"name.example:*", []string{"169.254.169.254"}, fault.Forbidden},
		{"127.0.0.0/8:*", nil, fault.Unavailable},
	} {
		lookups := 0
		g := newGuard(list(t, c.allow))
		g.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
			lookups++
			var addrs []netip.Addr
			for _, text := range c.addrs {
				addrs = append(addrs, netip.MustParseAddr(text))
			}
			return addrs, nil
		}
		conn, err := g.dial(t.Context(), "tcp", net.JoinHostPort("name.example", port))
		if err == nil {
			conn.Close()
		}
		if lookups != 1 || (err != nil || c.kind != "") && !fault.Is(err, c.kind) {
			t.Errorf("%s with %v: %v after %d lookups", c.allow, c.addrs, err, lookups)
		}
	}
}

// TestAddressesThatHide: forms of addresses that other programs read as loopback or as another host.
func TestAddressesThatHide(t *testing.T) {
	g := newGuard(list(t, anywhere))
	g.lookup = func(_ context.Context, _, host string) ([]netip.Addr, error) {
		t.Errorf("%s was looked up", host)
		return nil, nil
	}
	for _, text := range []string{
		"http://127.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://0.0.0.0/", "http://169.254.169.254/latest/meta-data/",
		"http://[fe80::1%25eth0]/", "http://[64:ff9b::7f00:1]/", "http://10.0.0.1:6379/", "http://api.example.com:22/", "http://user:pw@api.example.com/",
		"ftp://api.example.com/", "file:///etc/passwd", "gopher://x/", "http:///path", "http://a b/", "http://bücher.example/", "http://x:0/", "http://x:70000/",
		"//api.example.com/", "http:api.example.com",
	} {
		u, err := url.Parse(text)
		if err != nil {
			continue // nor does it get any further in a call
		}
		if err := g.check(u); !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", text, err)
		}
	}
	// Numbers are names here: only a resolver could make an address of them, and that is checked.
	for _, host := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"} {
		g.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		if _, err := g.dial(t.Context(), "tcp", net.JoinHostPort(host, "80")); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	if newGuard(nil).transport().Proxy != nil {
		t.Error("calls go through a proxy")
	}
}

// TestRedirectKeepsSecretsHome: once a call has left its origin, even for another port, what was meant for it stays.
func TestRedirectKeepsSecretsHome(t *testing.T) {
	x := &exchange{guard: newGuard(list(t, "*:*"))}
	at := func(text string) *http.Request {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{"Authorization": {"x"}, "X-Api-Key": {"x"}, "Accept": {"y"}, "Referer": {"z"}}}
	}
	for _, c := range []struct {
		hops []string
		kept bool
	}{
		{[]string{"https://a.example/1", "https://a.example/2"}, true},
		{[]string{"https://a.example/1", "https://A.example:443/2"}, true},
		{[]string{"https://a.example/1", "https://b.example/2"}, false},
		{[]string{"https://a.example/1", "https://sub.a.example/2"}, false},
		{[]string{"https://a.example/1", "https://a.example:8443/2"}, false},
		{[]string{"http://a.example/1", "https://a.example/2"}, false},
		{[]string{"https://a.example/1", "https://b.example/2", "https://a.example/3"}, false},
	} {
		var via []*http.Request
		for _, hop := range c.hops[:len(c.hops)-1] {
			via = append(via, at(hop))
		}
		req := at(c.hops[len(c.hops)-1])
		if err := x.redirect(req, via); err != nil {
			t.Fatal(err)
		}
		kept := req.Header.Get("Authorization") != "" && req.Header.Get("X-Api-Key") != ""
		gone := req.Header.Get("Authorization") == "" && req.Header.Get("X-Api-Key") == ""
		if c.kept != kept || c.kept == gone || req.Header.Get("Accept") == "" || req.Header.Get("Referer") != "" {
			t.Errorf("%v: %v", c.hops, req.Header)
		}
	}
	for _, to := range []string{"http://a.example/", "ftp://a.example/", "https://10.0.0.1/", "https://u:p@a.example/"} {
		if err := x.redirect(at(to), []*http.Request{at("https://a.example/")}); err == nil || strings.Contains(err.Error(), ":p@") {
			t.Errorf("followed to %s: %v", to, err)
		}
	}
}
