package emailsender_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/mail"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/hearthfaas/hearth/functions/plugins/emailsender"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/mailbox"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/plugintest"
)

const daily = `{"to":"team@example.com","subject":"Daily Sales Report","attachments":["/output/2026-01-02.xlsx"]}`

func TestPlugin(t *testing.T) {
	var office *postOffice
	toOffice := func(t *testing.T, h *plugintest.Host) {
		office = open(t, nil)
		h.Set("SMTP_URL", "smtp://"+office.addr)
		h.Set("HEARTH_MAIL_FROM", "Hearth 日报 <hearth@example.com>")
	}
	sent := func(*testing.T, *plugintest.Host) string { return fmt.Sprint(len(office.all())) }
	files := map[string]string{"/output/2026-01-02.xlsx": "PK\x03\x04 sheet", "/报表 1.csv": "a,b"}
	plugintest.Run(t, emailsender.Function,
		plugintest.Case{Name: "as a task writes it", Params: daily, Files: files, Setup: toOffice, World: sent, Check: func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
			if got := office.all(); len(got) != 1 || got[0].from != "hearth@example.com" || !reflect.DeepEqual(got[0].to, []string{"team@example.com"}) {
				t.Errorf("%+v", got)
			}
			if resp.Summary != "Sent the mail to team@example.com." {
				t.Error(resp.Summary)
			}
		}},
		plugintest.Case{
			Name: "everything", Lang: "zh", Files: files, Setup: toOffice, World: sent,
			Params: `{"to":["Ann <ann@example.com>","bob@example.com"],"cc":"ANN@example.com; carl@example.com","bcc":["dora@example.com"],"subject":"销售日报 第1期",
				"body":"你好","html":"<b>你好</b>","attachments":["/output/2026-01-02.xlsx","/报表 1.csv"],"reply_to":"boss@example.com","from":"张三 <zhang@example.com>"}`,
			Check: func(t *testing.T, _ *plugintest.Host, resp plugin.Response) { everything(t, office.all(), resp) },
		},
		plugintest.Case{Name: "no subject", Params: `{"to":"a@example.com","attachments":["/报表 1.csv"]}`, Files: files, Lang: "zh", Setup: toOffice, World: sent, Check: func(t *testing.T, _ *plugintest.Host, resp plugin.Response) {
			var out emailsender.Out
			if err := json.Unmarshal(resp.Result, &out); err != nil || out.Subject != "报表 1.csv" {
				t.Errorf("%+v %v", out, err)
			}
		}},
		plugintest.Case{Name: "no such attachment", Params: `{"to":"a@example.com","attachments":["/nope.xlsx"]}`, Setup: toOffice, World: sent, Fails: fault.NotFound},
		plugintest.Case{Name: "a header in the subject", Params: `{"to":"a@example.com","subject":"x\r\nBcc: eve@example.com"}`, Setup: toOffice, World: sent, Fails: fault.Invalid},
		plugintest.Case{Name: "a header in an address", Params: `{"to":"a@example.com\r\nBcc: eve@example.com"}`, Setup: toOffice, World: sent, Fails: fault.Invalid},
		plugintest.Case{Name: "a header in a name", Params: `{"to":"\"A\nBcc: eve@example.com\" <a@example.com>"}`, Setup: toOffice, World: sent, Fails: fault.Invalid},
		plugintest.Case{Name: "no address", Params: `{"to":["a@example.com","nobody"]}`, Setup: toOffice, World: sent, Fails: fault.Invalid},
		plugintest.Case{Name: "no recipient", Params: `{"to":[]}`, Setup: toOffice, World: sent, Fails: fault.Invalid},
		plugintest.Case{Name: "an address in other letters", Params: `{"to":"用户@example.com"}`, Setup: toOffice, World: sent, Fails: fault.Invalid},
	)
}

func everything(t *testing.T, got []received, resp plugin.Response) {
	t.Helper()
	if len(got) != 1 || !reflect.DeepEqual(got[0].to, []string{"ann@example.com", "bob@example.com", "carl@example.com", "dora@example.com"}) {
		t.Fatalf("%+v", got)
	}
	m, err := mail.ReadMessage(strings.NewReader(got[0].raw))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"To": "ann@example.com", "Cc": "carl@example.com", "Reply-To": "boss@example.com", "From": "zhang@example.com"} {
		if !strings.Contains(m.Header.Get(name), want) {
			t.Errorf("%s is %s", name, m.Header.Get(name))
		}
	}
	if strings.Contains(got[0].raw, "dora@") || m.Header.Get("Bcc") != "" {
		t.Error("the hidden recipient shows")
	}
	if date, err := m.Header.Date(); err != nil || date.Format(time.RFC3339) != "2026-01-02T09:00:00+08:00" {
		t.Errorf("%v %v", date, err)
	}
	store := mailbox.Open(t.TempDir())
	id, err := store.Add([]byte(got[0].raw), got[0].to, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d, err := store.Get(id)
	want := []mailbox.Attachment{
		{Name: "2026-01-02.xlsx", Size: 10, Type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}, {Name: "报表 1.csv", Size: 3, Type: "text/csv"},
	}
	if err != nil || d.Subject != "销售日报 第1期" || strings.TrimSpace(d.Text) != "你好" || !strings.Contains(d.HTML, "<b>你好</b>") || !reflect.DeepEqual(d.Attachments, want) {
		t.Errorf("%+v %v", d, err)
	}
	if resp.Summary != "邮件已发送给 ann@example.com、bob@example.com、carl@example.com、dora@example.com。" {
		t.Error(resp.Summary)
	}
}

// TestTheSameStepHasTheSameMessageID: whoever gets both attempts of a step can tell that they are one mail.
func TestTheSameStepHasTheSameMessageID(t *testing.T) {
	office := open(t, nil)
	h := host(t, "smtp://"+office.addr)
	ids := map[string]int{}
	for _, key := range []string{"k1", "k1", "k2"} {
		h.Key = key
		resp, err := h.Do(`{"to":"a@example.com","subject":"x"}`)
		if err != nil {
			t.Fatal(err)
		}
		var out emailsender.Out
		if err := json.Unmarshal(resp.Result, &out); err != nil {
			t.Fatal(err)
		}
		ids[out.MessageID]++
	}
	for _, m := range office.all() {
		parsed, err := mail.ReadMessage(strings.NewReader(m.raw))
		if err != nil || ids[parsed.Header.Get("Message-Id")] == 0 {
			t.Errorf("%v %v", parsed.Header, err)
		}
	}
	if len(ids) != 2 {
		t.Errorf("%v", ids)
	}
}

// TestWhatTheServerSays: each failure has the kind that tells the engine what it may do next.
func TestWhatTheServerSays(t *testing.T) {
	reply := func(code int, text string) error { return &smtp.SMTPError{Code: code, Message: text} }
	ok := map[string]string{"EHLO": "250 hi", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", ".": "250 taken", "QUIT": "221 bye"}
	with := func(changes map[string]string) map[string]string {
		all := map[string]string{}
		for k, v := range ok {
			all[k] = v
		}
		for k, v := range changes {
			if all[k] = v; v == "" {
				delete(all, k)
			}
		}
		return all
	}
	office := func(configure func(*postOffice)) string { return "smtp://" + open(t, configure).addr }
	for _, c := range []struct {
		name, url string
		want      fault.Kind
		says      string
	}{
		{"recipient unknown", office(func(p *postOffice) { p.rcpt = map[string]error{"b@example.com": reply(550, "no such user")} }), fault.Failed, "b@example.com: 550 no such user"},
		{"recipient later", office(func(p *postOffice) { p.rcpt = map[string]error{"b@example.com": reply(450, "greylisted")} }), fault.Unavailable, "450 greylisted"},
		{"sender refused", office(func(p *postOffice) { p.mail = reply(553, "not you") }), fault.Failed, "hearth@example.com: 553 not you"},
		{"message refused", office(func(p *postOffice) { p.data = reply(554, "looks like spam") }), fault.Failed, "554 looks like spam"},
		{"message later", office(func(p *postOffice) { p.data = reply(452, "disk full") }), fault.Unavailable, "452 disk full"},
		{"too large", office(func(p *postOffice) { p.MaxMessageBytes = 100 }), fault.Failed, "552"},
		{"sign-in wanted", office(func(p *postOffice) { p.password = "s3cret" }), fault.Failed, "Please authenticate"},
		{"closing down", "smtp://" + script(t, "421 try later", nil), fault.Unavailable, "421 try later"},
		{"hangs up at hello", "smtp://" + script(t, "220 hi", nil), fault.Unavailable, "does not say hello"},
		{"hangs up at a recipient", "smtp://" + script(t, "220 hi", with(map[string]string{"RCPT": ""})), fault.Unavailable, "recipient"},
		{"421 at DATA", "smtp://" + script(t, "220 hi", with(map[string]string{"DATA": "421 closing"})), fault.Unavailable, "421 closing"},
		{"hangs up after the end", "smtp://" + script(t, "220 hi", with(map[string]string{".": ""})), fault.Unknown, "may be on its way"},
		{"talks nonsense after the end", "smtp://" + script(t, "220 hi", with(map[string]string{".": "yes"})), fault.Unknown, "may be on its way"},
		{"hangs up at the goodbye", "smtp://" + script(t, "220 hi", with(map[string]string{"QUIT": ""})), "", ""},
		{"nobody there", "smtp://127.0.0.1:1", fault.Unavailable, "cannot be reached"},
		{"no encryption", office(nil) + "?tls=starttls", fault.Failed, "offers no encryption"},
		{"no such option", office(nil) + "?tls=maybe", fault.Invalid, "tls=maybe"},
		{"no such scheme", "http://127.0.0.1", fault.Invalid, "http"},
		{"not an address", "smtp://u:hunter2@[", fault.Invalid, "SMTP_URL"},
		{"not set", " ", fault.Failed, "SMTP_URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := host(t, c.url).Do(`{"to":["a@example.com","b@example.com"],"subject":"x"}`)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !fault.Is(err, c.want) || !strings.Contains(fault.Text(err), c.says) || strings.Contains(fault.Text(err), "hunter2") {
				t.Errorf("%s (%s), want %s: %s", fault.Text(err), fault.KindOf(err), c.want, c.says)
			}
		})
	}
}

// TestHangsUpWithinTheMessage: without its end a message is none, so nothing was sent. The message is large
// enough that the connection's buffers cannot swallow all of it.
func TestHangsUpWithinTheMessage(t *testing.T) {
	h := host(t, "smtp://"+script(t, "220 hi", map[string]string{"EHLO": "250 hi", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "within": "hang up"}))
	h.Put("/big.bin", strings.Repeat("\x00", 16<<20))
	_, err := h.Do(`{"to":"a@example.com","attachments":["/big.bin"]}`)
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v (%s)", err, fault.KindOf(err))
	}
}

func TestEncryption(t *testing.T) {
	trusted := &tls.Config{Certificates: []tls.Certificate{certificate}}
	office := open(t, func(p *postOffice) {
		p.TLSConfig, p.password, p.AllowInsecureAuth = trusted, "s3cret", false
	})
	url := "smtp://ann%40example.com:s3cret@" + office.addr + "?tls=starttls"
	h := host(t, url)
	h.Set("HEARTH_MAIL_FROM", "")
	if _, err := h.Do(`{"to":"a@example.com","subject":"x"}`); err != nil {
		t.Fatal(err)
	}
	if got := office.all(); len(got) != 1 || !got[0].tls || got[0].user != "ann@example.com" || got[0].from != "ann@example.com" {
		t.Errorf("%+v", got)
	}
	_, err := host(t, strings.Replace(url, "s3cret", "hunter2", 1)).Do(`{"to":"a@example.com","subject":"x"}`)
	if !fault.Is(err, fault.Failed) || !strings.Contains(fault.Text(err), "535") || strings.Contains(fault.Text(err), "hunter2") {
		t.Errorf("a wrong password: %v", err)
	}
	// The certificate is for 127.0.0.1, not for localhost.
	_, err = host(t, strings.Replace(url, "127.0.0.1", "localhost", 1)).Do(`{"to":"a@example.com","subject":"x"}`)
	if !fault.Is(err, fault.Failed) || !strings.Contains(fault.Text(err), "not trusted") {
		t.Errorf("a certificate for another host: %v (%s)", err, fault.KindOf(err))
	}
	if n := len(office.all()); n != 1 {
		t.Errorf("%d messages came", n)
	}
}

func TestLocalMailboxIsNotCalledSent(t *testing.T) {
	store := mailbox.Open(filepath.Join(t.TempDir(), "mail"))
	server, err := mailbox.Serve(t.Context(), store, time.Now, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	h := host(t, server.URL())
	h.Set("HEARTH_MAIL_FROM", "")
	h.Lang = "zh"
	for range 2 { // the same step twice lies there once
		resp, err := h.Do(`{"to":"team@example.com","subject":"日报"}`)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(resp.Summary, "本地邮箱") || strings.Contains(resp.Summary, "已发送") || !bytes.Contains(resp.Result, []byte(`"local":true`)) {
			t.Errorf("%s %s", resp.Summary, resp.Result)
		}
	}
	list, err := store.List(10)
	if err != nil || len(list) != 1 || list[0].Subject != "日报" || list[0].To[0] != "team@example.com" {
		t.Errorf("%+v %v", list, err)
	}
}

func host(t *testing.T, url string) *plugintest.Host {
	t.Helper()
	h := plugintest.Open(t, emailsender.Function)
	h.Set("SMTP_URL", url)
	h.Set("HEARTH_MAIL_FROM", "hearth@example.com")
	return h
}
