package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/vault"
)

func TestKeys(t *testing.T) {
	t.Chdir(t.TempDir())
	key := fntest.Key
	print := func(want int, name string) string {
		t.Helper()
		var out, said bytes.Buffer
		a := &app{out: &out, err: &said, lookup: func(name string) (string, bool) { return key, name == "ENCRYPTION_KEY" }}
		if code := a.run(t.Context(), []string{"key", name}); code != want {
			t.Fatalf("%s: exit code %d: %s", name, code, &said)
		}
		return strings.TrimSpace(out.String())
	}
	v, err := vault.Parse(fntest.Key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	public, err := base64.StdEncoding.DecodeString(print(0, "call"))
	header := v.Sign(vault.Call{To: "plugin-x", Plugin: true}, nil, now)
	if _, wrong := vault.VerifyPlugin(ed25519.PublicKey(public), header, "plugin-x", nil, now); err != nil || wrong != nil {
		t.Errorf("a plugin does not know our calls by it: %v %v", err, wrong)
	}
	token, err := v.Redeem("user", print(0, "owner"), now)
	if err != nil || token.Role != "owner" {
		t.Errorf("%+v %v", token, err)
	}
	if key = ""; print(4, "owner") != "" {
		t.Error("without a key")
	}
}
