package address_test

import (
	"net/netip"
	"testing"

	"github.com/hearthfaas/hearth/shared/address"
)

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"1.1.1.1": true, "2606:4700:4700::1111": true, "::ffff:1.1.1.1": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false,
		"10.0.0.1": false, "172.16.0.1": false, "192.168.0.1": false, "100.64.0.1": false, "169.254.169.254": false, "198.18.0.1": false,
		"224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false, "192.0.0.1": false,
		"fe80::1": false, "fc00::1": false, "ff02::1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "fd00:ec2::254": false,
		"168.63.129.16": false, "64:ff9b::808:808": true, "2001:db8::1": false, "203.0.113.7": false, "fe80::1%eth0": false,
	} {
		if got := address.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v", text, got)
		}
	}
}
