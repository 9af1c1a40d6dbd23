package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/vault"
)

// examined are the findings of doctor, by check.
func (f *fake) examined(settings map[string]string, path ...string) (int, map[string]finding) {
	f.t.Helper()
	f.t.Setenv("PATH", strings.Join(path, ":"))
	got := f.hearth("", settings, "doctor", "-o", "json")
	var list struct {
		Checks []finding `json:"checks"`
	}
	if err := json.Unmarshal([]byte(got.out), &list); err != nil {
		f.t.Fatal(got, err)
	}
	by := map[string]finding{}
	for _, found := range list.Checks {
		by[found.Check] = found
	}
	return got.code, by
}

// home is a data folder as hearth up leaves it.
func home(t *testing.T) (string, map[string]string) {
	t.Helper()
	dir := t.TempDir()
	secrets := filepath.Join(dir, "secrets")
	if err := os.Mkdir(secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(secrets, "encryption-key"): vault.Generate(), filepath.Join(secrets, "basic-auth-password"): "s3cret",
		filepath.Join(dir, "owner.token"): "ht_owner\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, map[string]string{"HEARTH_DATA": dir, "HEARTH_TOKEN": ""}
}

// healthy is a gateway that has nothing to complain about.
func healthy(t *testing.T) *fake {
	f := newFake(t)
	f.extra["GET /function/system-auth/me"] = func([]byte) (any, error) { return map[string]string{"user": "owner", "role": "owner"}, nil }
	f.extra["GET /system/info"] = func([]byte) (any, error) { return map[string]string{}, nil }
	return f
}

// models is a server of models.
func models(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"object":"list","data":[{"id":"qwen","object":"model"}]}`)) // the client's loss
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1"
}

func TestDoctorFindsNothing(t *testing.T) {
	f := healthy(t)
	_, set := home(t)
	set["OPENAI_BASE_URL"], set["REDIS_URL"] = models(t), ledgertest.URL(t)
	code, found := f.examined(set)
	for _, check := range []string{"gateway", "clock", "sign-in", "basic auth", "model", "secrets", "time zone", "disk"} {
		if found[check].State != fine {
			t.Errorf("%s: %+v", check, found[check])
		}
	}
	for _, check := range []string{"store", "chromium"} { // in memory, and not on PATH
		if found[check].State != poor || found[check].Mend == "" {
			t.Errorf("%s: %+v", check, found[check])
		}
	}
	if code != 0 {
		t.Error("exit", code)
	}
}

func TestDoctorFinds(t *testing.T) {
	free := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	write := func(t *testing.T, path, text string, mode os.FileMode) {
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		check, detail, mend string
		spoil               func(t *testing.T, f *fake, dir string, set map[string]string)
	}{
		{"gateway", "nothing answers", "hearth up", func(t *testing.T, f *fake, _ string, set map[string]string) {
			set["HEARTH_GATEWAY"], set["HEARTH_ADDR"] = "http://"+free(t), free(t)
		}},
		{"port", "cannot be listened on", "hearth up --addr 127.0.0.1:0", func(t *testing.T, f *fake, _ string, set map[string]string) {
			set["HEARTH_GATEWAY"], set["HEARTH_ADDR"] = "http://"+free(t), strings.TrimPrefix(f.URL, "http://")
		}},
		{"gateway", "status 404", "another program", func(t *testing.T, _ *fake, _ string, set map[string]string) {
			other := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(other.Close)
			set["HEARTH_GATEWAY"] = other.URL
		}},
		{"settings", "HEARTH_GATEWAY: want", "", func(_ *testing.T, _ *fake, _ string, set map[string]string) {
			set["HEARTH_GATEWAY"] = "127.0.0.1:8080"
		}},
		{"sign-in", "sign in first", "hearth user token", func(_ *testing.T, _ *fake, _ string, set map[string]string) { set["HEARTH_TOKEN"] = "ht_old" }},
		{"basic auth", "unauthorized", "restart hearth up", func(_ *testing.T, f *fake, _ string, _ map[string]string) {
			f.broken["/system/info"] = []error{fault.New(fault.Unauthorized, "unauthorized")}
		}},
		{"store", "does not answer", "redis-cli", func(t *testing.T, _ *fake, _ string, set map[string]string) {
			set["REDIS_URL"] = "redis://" + free(t)
		}},
		{"model", "", "", func(t *testing.T, _ *fake, _ string, set map[string]string) {
			set["OPENAI_BASE_URL"] = "http://" + free(t) + "/v1"
		}},
		{"model", "MODEL_PATH cannot be read", "ls -la /nowhere.gguf", func(_ *testing.T, _ *fake, _ string, set map[string]string) {
			delete(set, "OPENAI_BASE_URL")
			set["MODEL_PATH"] = "/nowhere.gguf"
		}},
		{"model", "needs llama-server", "llama", func(t *testing.T, _ *fake, dir string, set map[string]string) {
			delete(set, "OPENAI_BASE_URL")
			set["MODEL_PATH"] = filepath.Join(dir, "m.gguf")
			write(t, set["MODEL_PATH"], "GGUF", 0o600)
		}},
		{"secrets", "others on this machine can read", "chmod -R go-rwx", func(t *testing.T, _ *fake, dir string, _ map[string]string) {
			write(t, filepath.Join(dir, "secrets", "telegram-bot-token"), "x", 0o644)
		}},
		{"key", "want 32 bytes", "openssl rand", func(t *testing.T, _ *fake, dir string, _ map[string]string) {
			write(t, filepath.Join(dir, "secrets", "encryption-key"), "short", 0o600)
		}},
		{"settings", "not a time zone", "IANA", func(_ *testing.T, _ *fake, _ string, set map[string]string) { set["HEARTH_TIMEZONE"] = "Mars" }},
	} {
		t.Run(c.check+" "+c.detail, func(t *testing.T) {
			f := healthy(t)
			dir, set := home(t)
			set["OPENAI_BASE_URL"] = models(t)
			c.spoil(t, f, dir, set)
			code, found := f.examined(set)
			got := found[c.check]
			if code != 1 || got.State != broken || !strings.Contains(got.Detail, c.detail) || !strings.Contains(got.Mend, c.mend) {
				t.Errorf("exit %d: %+v", code, got)
			}
		})
	}
}

func TestDoctorNamesWeakStores(t *testing.T) {
	f := healthy(t)
	_, set := home(t)
	set["REDIS_URL"] = "redis://" + ledgertest.Server(t)
	code, found := f.examined(set)
	if got := found["store"]; code != 0 || got.State != poor || !strings.Contains(got.Detail, "last second") || !strings.Contains(got.Mend, "appendfsync always") {
		t.Errorf("exit %d: %+v", code, got)
	}
}

func TestDoctorBeforeTheFirstStart(t *testing.T) {
	f := newFake(t)
	f.Close()
	_, found := f.examined(map[string]string{"HEARTH_DATA": filepath.Join(t.TempDir(), "new")})
	if found["secrets"].State != fine || !strings.Contains(found["secrets"].Detail, "first starts") {
		t.Errorf("%+v", found)
	}
}

func TestDoctorOnPaper(t *testing.T) {
	f := newFake(t)
	f.Close()
	got := f.hearth("", nil, "doctor")
	if got.code != 1 || !strings.Contains(got.out, "✗ gateway      nothing answers at "+f.URL+"\n               → hearth up") {
		t.Errorf("%+v", got)
	}
}

func TestSkew(t *testing.T) {
	for date, want := range map[string]string{
		noon.Format(http.TimeFormat): fine, noon.Add(-10 * time.Second).Format(http.TimeFormat): fine,
		noon.Add(time.Minute).Format(http.TimeFormat): broken, "": poor, "tomorrow": poor,
	} {
		if got := skew(date, noon); got.State != want {
			t.Errorf("%s: %+v", date, got)
		}
	}
}

func TestDoctorLooksAtMail(t *testing.T) {
	f := healthy(t)
	for name, c := range map[string]struct{ server, from, want string }{
		"a local mailbox":   {"", "", fine},
		"no sender":         {"smtp://postman:pw@mail.example.com:587", "", poor},
		"a sender":          {"smtp://postman:pw@mail.example.com:587", "assistant@example.com", fine},
		"a user who is one": {"smtps://a%40example.com:pw@mail.example.com", "", fine},
		"nobody to sign in": {"smtp://mail.example.com:25", "", poor},
	} {
		_, set := home(t)
		set["SMTP_URL"], set["HEARTH_MAIL_FROM"] = c.server, c.from
		_, found := f.examined(set)
		if found["mail"].State != c.want || strings.Contains(found["mail"].Detail, "pw") || found["deployment"].State != fine {
			t.Errorf("%s: %+v", name, found["mail"])
		}
	}
}
