package auth_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/functions/system/auth"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

type desk struct {
	t      *testing.T
	env    *fn.Env
	ledger *ledger.Ledger
	vault  *vault.Vault
	host   http.Handler
	now    time.Time
}

func open(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, vault: ledgertest.Vault(t), now: time.Now()}
	d.env = fntest.Env(t, map[string]string{"REDIS_URL": ledgertest.URL(t)})
	d.env.Now = func() time.Time { return d.now }
	var err error
	if d.ledger, err = ledger.Open(t.Context(), d.env); err != nil {
		t.Fatal(err)
	}
	if d.host, err = fn.NewHost(t.Context(), auth.Function, d.env); err != nil {
		t.Fatal(err)
	}
	return d
}

// as calls the function as somebody; a role of "" is nobody.
func (d *desk) as(user string, role policy.Role, method, path, body string) (*http.Response, map[string]any) {
	d.t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	if role != "" {
		token := d.vault.Issue(vault.Token{For: "user", ID: user, Role: string(role), Expires: d.now.Add(time.Hour).Unix()})
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return d.do(req)
}

func (d *desk) do(req *http.Request) (*http.Response, map[string]any) {
	d.t.Helper()
	rec := httptest.NewRecorder()
	d.host.ServeHTTP(rec, req)
	var out map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		d.t.Fatalf("%s %s: %s", req.Method, req.URL, rec.Body)
	}
	return rec.Result(), out
}

func (d *desk) signIn(code string) (*http.Response, map[string]any) {
	d.t.Helper()
	body, err := json.Marshal(map[string]string{"code": code})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.as("", "", http.MethodPost, "/signin", string(body))
}

func (d *desk) link() string {
	d.t.Helper()
	code, err := auth.NewLink(d.t.Context(), d.ledger, d.vault, "ann", policy.Operator, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return code
}

func TestALinkSignsInOnce(t *testing.T) {
	d := open(t)
	code := d.link()
	resp, out := d.signIn(code)
	if resp.StatusCode != http.StatusOK || out["user"] != "ann" || out["role"] != "operator" {
		t.Fatal(resp.StatusCode, out)
	}
	c := resp.Cookies()[0]
	if c.Name != gateway.Cookie || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" {
		t.Errorf("%+v", c)
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/me", http.NoBody)
	req.AddCookie(c)
	if resp, me := d.do(req); resp.StatusCode != http.StatusOK || me["user"] != "ann" || me["role"] != "operator" {
		t.Error(resp.StatusCode, me)
	}
	if resp, out := d.signIn(code); resp.StatusCode != http.StatusUnauthorized || len(resp.Cookies()) > 0 {
		t.Error("used twice:", resp.StatusCode, out)
	}
	late := d.link()
	d.now = d.now.Add(16 * time.Minute)
	if resp, _ := d.signIn(late); resp.StatusCode != http.StatusUnauthorized {
		t.Error("expired:", resp.StatusCode)
	}
}

func TestSignInWithAToken(t *testing.T) {
	d := open(t)
	token := func(use string, life time.Duration) string {
		return d.vault.Issue(vault.Token{For: use, ID: "bo", Role: "member", Expires: d.now.Add(life).Unix()})
	}
	for name, c := range map[string]struct {
		code   string
		status int
	}{
		"a user's token": {token("user", time.Hour), http.StatusOK},
		"with space":     {" " + token("user", time.Hour) + "\n", http.StatusOK},
		"expired":        {token("user", -time.Second), http.StatusUnauthorized},
		"of a file":      {token("file", time.Hour), http.StatusUnauthorized},
		"a made-up link": {token("link", time.Hour), http.StatusUnauthorized},
		"forged":         {token("user", time.Hour) + "x", http.StatusUnauthorized},
		"nothing":        {"", http.StatusBadRequest},
	} {
		resp, out := d.signIn(c.code)
		if resp.StatusCode != c.status || (len(resp.Cookies()) == 1) != (c.status == http.StatusOK) {
			t.Errorf("%s: %d %v", name, resp.StatusCode, out)
		}
	}
	if resp, _ := d.as("", "", http.MethodPost, "/signout", ""); resp.Cookies()[0].MaxAge >= 0 {
		t.Error("the cookie stays")
	}
}

func TestNobodyGivesMoreRightsThanTheyHave(t *testing.T) {
	d := open(t)
	for name, c := range map[string]struct {
		role   policy.Role
		body   string
		status int
	}{
		"nobody":                 {"", `{"user":"x"}`, http.StatusUnauthorized},
		"a member":               {policy.Member, `{"user":"x"}`, http.StatusForbidden},
		"an operator":            {policy.Operator, `{"user":"x"}`, http.StatusForbidden},
		"an admin":               {policy.Admin, `{"user":"x"}`, http.StatusOK},
		"an admin for an admin":  {policy.Admin, `{"user":"x","role":"admin"}`, http.StatusOK},
		"an admin for an owner":  {policy.Admin, `{"user":"x","role":"owner"}`, http.StatusForbidden},
		"an owner for an owner":  {policy.Owner, `{"user":"y","role":"owner"}`, http.StatusOK},
		"no such role":           {policy.Owner, `{"user":"x","role":"king"}`, http.StatusBadRequest},
		"a guest needs no token": {policy.Owner, `{"user":"x","role":"guest"}`, http.StatusBadRequest},
		"a bad name":             {policy.Owner, `{"user":"X y"}`, http.StatusBadRequest},
		"no name":                {policy.Owner, `{}`, http.StatusBadRequest},
		"for too long":           {policy.Owner, `{"user":"x","days":367}`, http.StatusBadRequest},
		"for a negative time":    {policy.Owner, `{"user":"x","days":-1}`, http.StatusBadRequest},
	} {
		resp, out := d.as("root", c.role, http.MethodPost, "/tokens", c.body)
		if resp.StatusCode != c.status {
			t.Errorf("%s: %d %v", name, resp.StatusCode, out)
		}
		if token, _ := out["token"].(string); (token != "") != (c.status == http.StatusOK) {
			t.Errorf("%s: %v", name, out)
		}
	}
	_, out := d.as("root", policy.Admin, http.MethodPost, "/tokens", `{"user":"zoe","days":1,"link":true}`)
	code, _ := out["code"].(string)
	if resp, me := d.signIn(code); resp.StatusCode != http.StatusOK || me["user"] != "zoe" || me["role"] != "member" {
		t.Error(resp.StatusCode, me)
	}
	resp, list := d.as("root", policy.Admin, http.MethodGet, "/users", "")
	if users, _ := list["users"].([]any); resp.StatusCode != http.StatusOK || len(users) != 3 {
		t.Error(resp.StatusCode, list)
	}
	if resp, _ := d.as("ann", policy.Operator, http.MethodGet, "/users", ""); resp.StatusCode != http.StatusForbidden {
		t.Error(resp.StatusCode)
	}
}

func TestPairingRefusesWhatIsNoCode(t *testing.T) {
	d := open(t)
	if resp, _ := d.as("gus", policy.Guest, http.MethodPost, "/pair", `{"code":"ABCDEFGH"}`); resp.StatusCode != http.StatusForbidden {
		t.Error("a guest:", resp.StatusCode)
	}
	for i, want := range []int{404, 404, 404, 404, 404, 429} {
		if resp, out := d.as("ann", policy.Member, http.MethodPost, "/pair", `{"code":"ABCDEFGH"}`); resp.StatusCode != want {
			t.Errorf("try %d: %d %v", i, resp.StatusCode, out)
		}
	}
	if docs, err := d.ledger.List(t.Context(), channel.IdentitySpace); err != nil || len(docs) > 0 {
		t.Error(docs, err)
	}
}
