package vault_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/vault"
)

func open(t *testing.T, key string) *vault.Vault {
	t.Helper()
	v, err := vault.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParse(t *testing.T) {
	generated := vault.Generate()
	for _, good := range []string{generated, " " + generated + "\n", strings.Repeat("0f", 32), strings.TrimRight(generated, "=")} {
		open(t, good)
	}
	for _, bad := range []string{"", " \n", "short", strings.Repeat("0f", 31), strings.Repeat("é", 32)} {
		if _, err := vault.Parse(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSealedValueOpensOnlyInItsPlace(t *testing.T) {
	v := open(t, vault.Generate())
	plain := []byte("hello")
	sealed := v.Box("session/1").Seal("in", plain)
	if len(sealed) != len(plain)+33 || bytes.Contains(sealed, plain) {
		t.Fatalf("sealed %d bytes: %x", len(sealed), sealed)
	}
	got, err := v.Box("session/1").Open("in", sealed)
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%q %v", got, err)
	}
	damaged := bytes.Clone(sealed)
	damaged[len(damaged)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another place": func() ([]byte, error) { return v.Box("session/2").Open("in", sealed) },
		"another field": func() ([]byte, error) { return v.Box("session/1").Open("out", sealed) },
		"damaged":       func() ([]byte, error) { return v.Box("session/1").Open("in", damaged) },
		"cut":           func() ([]byte, error) { return v.Box("session/1").Open("in", sealed[:10]) },
	} {
		if _, err := open(); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open(t, vault.Generate()).Box("session/1").Open("in", sealed); !fault.Is(err, fault.Invalid) {
		t.Errorf("another key: %v", err)
	}
}

func TestBlindPartsDoNotRunTogether(t *testing.T) {
	v := open(t, vault.Generate())
	apart, together, again := v.Blind("a", "bc"), v.Blind("ab", "c"), v.Blind("a", "bc")
	if apart == together || apart != again || len(apart) != 26 {
		t.Fatal(apart, together, again)
	}
}

func TestCallIsBound(t *testing.T) {
	v, now, body := open(t, vault.Generate()), time.Unix(1_800_000_000, 0), []byte(`{"x":1}`)
	header := v.Sign(vault.Call{From: "planner-execute", To: "system-files", Lane: "r1", Owner: "o", Epoch: 7}, body, now)
	call, err := v.Verify(header, "system-files", body, now.Add(time.Second))
	if err != nil || call.Lane != "r1" || call.Epoch != 7 {
		t.Fatal(call, err)
	}
	payload, _, _ := strings.Cut(header, ".")
	other := open(t, vault.Generate())
	for name, verify := range map[string]func() (vault.Call, error){
		"unsigned":      func() (vault.Call, error) { return v.Verify("", "system-files", body, now) },
		"no signature":  func() (vault.Call, error) { return v.Verify(payload, "system-files", body, now) },
		"misaddressed":  func() (vault.Call, error) { return v.Verify(header, "system-tasks", body, now) },
		"other body":    func() (vault.Call, error) { return v.Verify(header, "system-files", []byte(`{"x":2}`), now) },
		"expired":       func() (vault.Call, error) { return v.Verify(header, "system-files", body, now.Add(2*time.Minute)) },
		"from tomorrow": func() (vault.Call, error) { return v.Verify(header, "system-files", body, now.Add(-time.Hour)) },
		"other key":     func() (vault.Call, error) { return other.Verify(header, "system-files", body, now) },
		"as a plugin":   func() (vault.Call, error) { return vault.VerifyPlugin(v.CallKey(), header, "system-files", body, now) },
	} {
		if _, err := verify(); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPluginCallNeedsThePrivateKey(t *testing.T) {
	v, now, body := open(t, vault.Generate()), time.Unix(1_800_000_000, 0), []byte(`{}`)
	header := v.Sign(vault.Call{To: "plugin-x", Plugin: true, Key: "r1/s1"}, body, now)
	if call, err := vault.VerifyPlugin(v.CallKey(), header, "plugin-x", body, now); err != nil || call.Key != "r1/s1" {
		t.Fatal(call, err)
	}
	for name, key := range map[string][]byte{"none": nil, "another": open(t, vault.Generate()).CallKey()} {
		if _, err := vault.VerifyPlugin(key, header, "plugin-x", body, now); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenHasOneUse(t *testing.T) {
	v, now := open(t, vault.Generate()), time.Unix(1_800_000_000, 0)
	text := v.Issue(vault.Token{For: "file", ID: "u", Expires: now.Add(time.Minute).Unix()})
	if token, err := v.Redeem("file", text, now); err != nil || token.ID != "u" {
		t.Fatal(token, err)
	}
	for name, redeem := range map[string]func() (vault.Token, error){
		"as a user":   func() (vault.Token, error) { return v.Redeem("user", text, now) },
		"expired":     func() (vault.Token, error) { return v.Redeem("file", text, now.Add(time.Minute)) },
		"blank":       func() (vault.Token, error) { return v.Redeem("file", " ", now) },
		"other vault": func() (vault.Token, error) { return open(t, vault.Generate()).Redeem("file", text, now) },
	} {
		if _, err := redeem(); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
