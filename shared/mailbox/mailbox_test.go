package mailbox_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/wneessen/go-mail"
	"go.uber.org/goleak"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/mailbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var at = time.UnixMilli(1795307400123).UTC()

func TestServerKeepsWhatItTakes(t *testing.T) {
	store := mailbox.Open(filepath.Join(t.TempDir(), "mail"))
	send(t, serve(t, store), []string{"team@example.com", "hidden@example.com"}, build(t, "<1@x>", "销售日报"))
	list, err := store.List(10)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	want := mailbox.Mail{
		ID: list[0].ID, At: at, From: "Hearth <hearth@example.com>", To: []string{"team@example.com", "hidden@example.com"}, Subject: "销售日报",
		Attachments: []mailbox.Attachment{
			{Name: "报表 2026.xlsx", Size: 4, Type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
			{Name: "b.txt", Size: 1, Type: "text/plain"},
		},
	}
	if !reflect.DeepEqual(list[0], want) {
		t.Errorf("%+v", list[0])
	}
	detail, err := store.Get(list[0].ID)
	if err != nil || strings.TrimSpace(detail.Text) != "你好\r\n.dot" || !strings.Contains(detail.HTML, "<b>你好</b>") {
		t.Errorf("%q %q %v", detail.Text, detail.HTML, err)
	}
	a, content, err := store.Attachment(list[0].ID, 0)
	if err != nil || string(content) != "PK\x00\xff" || a.Name != "报表 2026.xlsx" || !strings.HasPrefix(a.Disposition(), "attachment; filename*=utf-8''") {
		t.Errorf("%+v %q %s %v", a, content, a.Disposition(), err)
	}
	if _, _, err := store.Attachment(list[0].ID, 2); !fault.Is(err, fault.NotFound) {
		t.Errorf("a third attachment: %v", err)
	}
	raw, err := store.Raw(list[0].ID)
	if err != nil || !bytes.HasPrefix(bytes.TrimLeft(raw, "\r\n"), []byte("Date:")) && bytes.Contains(raw, []byte("Delivered-To")) {
		t.Errorf("%.80s %v", raw, err)
	}
}

func TestStoreKeepsAMessageOnce(t *testing.T) {
	store := mailbox.Open(t.TempDir())
	first, err := store.Add(build(t, "<1@x>", "a"), nil, at)
	if err != nil {
		t.Fatal(err)
	}
	again, err := store.Add(build(t, "<1@x>", "another text, the same Message-ID"), nil, at.Add(time.Hour))
	if err != nil || again != first {
		t.Errorf("%s %s %v", first, again, err)
	}
	if _, err := store.Add(build(t, "<2@x>", "b"), nil, at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	list, err := store.List(10)
	if err != nil || len(list) != 2 || list[0].Subject != "b" || list[1].Subject != "a" {
		t.Errorf("%+v %v", list, err)
	}
}

func TestStoreIsBoundedAndPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	store := mailbox.Open(dir)
	store.Limit(5)
	for i := range 8 {
		if _, err := store.Add(fmt.Appendf(nil, "Message-Id: <%d>\r\nSubject: %d\r\n\r\nx", i, i), nil, at.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 5 {
		t.Fatalf("%d files %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Fatalf("%s is open to others: %v %v", e.Name(), info.Mode(), err)
		}
	}
	list, err := store.List(1)
	if err != nil || list[0].Subject != "7" {
		t.Errorf("the newest is %+v %v", list, err)
	}
	if _, err := store.Add(make([]byte, mailbox.MaxMessage+1), nil, at); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a giant message: %v", err)
	}
}

func TestStoreReadsNothingElse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret.eml"), []byte("Subject: x\r\n\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	store := mailbox.Open(dir)
	for _, id := range []string{"secret", "../secret", "", "1795307400123-00000000000000000000", "1795307400123-0000000000000000000\x00"} {
		if _, err := store.Raw(id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if list, err := store.List(10); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	if list, err := mailbox.Open(filepath.Join(dir, "none")).List(10); err != nil || list == nil || len(list) != 0 {
		t.Errorf("a mailbox that is not there yet: %v %v", list, err)
	}
}

// TestServerSaysWhenItCannotKeep: the sender must not believe that a message is kept when it is not.
func TestServerSaysWhenItCannotKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mail")
	if err := os.WriteFile(dir, nil, fs.FileMode(0o600)); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	c := dial(t, serve(t, mailbox.Open(dir)))
	err := c.SendMail("a@example.com", []string{"b@example.com"}, bytes.NewReader(build(t, "<1@x>", "a")))
	if e, ok := err.(*smtp.SMTPError); !ok || e.Code != 452 {
		t.Fatalf("%v", err)
	}
}

func serve(t *testing.T, store *mailbox.Store) string {
	t.Helper()
	server, err := mailbox.Serve(t.Context(), store, func() time.Time { return at }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return server.URL()
}

func dial(t *testing.T, address string) *smtp.Client {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Host, "127.0.0.1:") || u.Query().Get("mailbox") != "1" {
		t.Fatalf("%s %v", address, err)
	}
	c, err := smtp.Dial(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // Quit has closed it where all went well
	return c
}

func send(t *testing.T, address string, to []string, raw []byte) {
	t.Helper()
	c := dial(t, address)
	if err := c.SendMail("hearth@example.com", to, bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, id, subject string) []byte {
	t.Helper()
	m := mail.NewMsg()
	if err := m.FromFormat("Hearth", "hearth@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := m.To("team@example.com"); err != nil {
		t.Fatal(err)
	}
	m.SetMessageIDWithValue(strings.Trim(id, "<>"))
	m.Subject(subject)
	m.SetBodyString(mail.TypeTextPlain, "你好\r\n.dot")
	m.AddAlternativeString(mail.TypeTextHTML, "<b>你好</b>")
	for _, file := range []struct{ name, kind, content string }{
		{"报表 2026.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "PK\x00\xff"},
		{"b.txt", "text/plain", "b"},
	} {
		if err := m.AttachReader(file.name, strings.NewReader(file.content), mail.WithFileContentType(mail.ContentType(file.kind))); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
