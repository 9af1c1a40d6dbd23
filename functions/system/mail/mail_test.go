package mail_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/functions/system/mail"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/mailbox"
	"github.com/hearthfaas/hearth/shared/vault"
)

const message = "From: Hearth <hearth@example.com>\r\nTo: team@example.com\r\nMessage-ID: <1@x>\r\nSubject: =?utf-8?q?=E6=97=A5=E6=8A=A5?=\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n" +
	"--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"evil.html\"\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n"

func TestMembersReadMail(t *testing.T) {
	dir := t.TempDir()
	id, err := mailbox.Open(dir).Add([]byte(message), []string{"team@example.com", "boss@example.com"}, time.UnixMilli(1795307400123))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	var list struct{ Mails []mailbox.Mail }
	status, body, _ := s.get(t, "/", "member")
	if err := json.Unmarshal(body, &list); status != http.StatusOK || err != nil || len(list.Mails) != 1 {
		t.Fatalf("%d %s", status, body)
	}
	if m := list.Mails[0]; m.ID != id || m.Subject != "日报" || len(m.To) != 2 || m.Attachments[0].Name != "evil.html" {
		t.Errorf("%+v", m)
	}
	status, body, _ = s.get(t, "/"+id, "member")
	var detail mailbox.Detail
	if err := json.Unmarshal(body, &detail); status != http.StatusOK || err != nil || strings.TrimSpace(detail.Text) != "hello" || detail.HTML != "" {
		t.Errorf("%d %s", status, body)
	}
	status, body, header := s.get(t, "/"+id+"/attachments/0", "member")
	if status != http.StatusOK || string(body) != "<script>alert(1)</script>" {
		t.Errorf("%d %s", status, body)
	}
	if !strings.HasPrefix(header.Get("Content-Disposition"), "attachment; ") || header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("a browser may run what came by mail: %v", header)
	}
	status, body, header = s.get(t, "/"+id+"/raw", "member")
	if status != http.StatusOK || string(body) != message || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment; ") {
		t.Errorf("%d %s", status, body)
	}
}

func TestMailRefuses(t *testing.T) {
	dir := t.TempDir()
	id, err := mailbox.Open(dir).Add([]byte(message), nil, time.UnixMilli(1795307400123))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	for _, c := range []struct {
		path, role string
		want       int
	}{
		{"/", "", http.StatusUnauthorized},
		{"/" + id, "", http.StatusUnauthorized},
		{"/" + id + "/raw", "guest", http.StatusForbidden},
		{"/" + id + "/attachments/0", "guest", http.StatusForbidden},
		{"/" + id + "/attachments/1", "member", http.StatusNotFound},
		{"/" + id + "/attachments/-1", "member", http.StatusNotFound},
		{"/" + id + "/attachments/x", "member", http.StatusNotFound},
		{"/..%2f..%2fetc%2fpasswd", "member", http.StatusNotFound},
		{"/1795307400123-00000000000000000000", "member", http.StatusNotFound},
		{"/a/b/c", "member", http.StatusNotFound},
	} {
		if status, body, _ := s.get(t, c.path, c.role); status != c.want {
			t.Errorf("%s as %q: %d %s, want %d", c.path, c.role, status, body, c.want)
		}
	}
}

func TestWithoutMailbox(t *testing.T) {
	s := start(t, "")
	if status, body, _ := s.get(t, "/", "member"); status != http.StatusOK || strings.TrimSpace(string(body)) != `{"mails":[]}` {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := s.get(t, "/1795307400123-00000000000000000000", "member"); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
}

type server struct {
	*httptest.Server
	vault *vault.Vault
}

func start(t *testing.T, dir string) server {
	t.Helper()
	env := fntest.Env(t, map[string]string{"HEARTH_MAILBOX": dir})
	v, err := env.Vault()
	if err != nil {
		t.Fatal(err)
	}
	return server{fntest.Start(t, mail.Function, env), v}
}

// get asks as somebody with a role, or as nobody.
func (s server) get(t *testing.T, path, role string) (int, []byte, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if role != "" {
		req.Header.Set("Authorization", "Bearer "+s.vault.Issue(vault.Token{For: "user", ID: "ann", Role: role, Expires: time.Now().Add(time.Hour).Unix()}))
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body, resp.Header
}
