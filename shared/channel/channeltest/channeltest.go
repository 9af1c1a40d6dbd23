// Package channeltest is the suite that every adapter passes, and the stories that all of them share: Stories
// tells those with the functions behind adapters and a stand-in of the platform (a Stage), in a House, which
// special stories use too. functions/adapters/story_test.go has the table. The suite of an adapter is one Suite
// and two folders of goldens:
//
//	testdata/decode/*.txtar   request: a webhook's body as the platform sends it, after its headers if a blank
//	                          line ends them · inbound: what it means
//	testdata/encode/*.txtar   outbound: a message · calls: how it goes out
//
// go test -channeltest.update writes the second half of each anew.
package channeltest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/message"
)

var update = flag.Bool("channeltest.update", false, "write goldens anew")

// Suite is what the tests must know of an adapter.
type Suite struct {
	Platform string
	Open     func(*fn.Env) (channel.Adapter, error)
	Secrets  map[string]string // by field: all that an account needs
	Self     message.Sender    // who we are there
	Address  message.Address   // a conversation
	Thread   string            // a thread in it, where there are any
	Message  string            // the native id of a message

	Proof     string                                    // the field of the secret that proves requests
	Prove     func(secret string, r *channel.Request)   // makes r a request of whoever knows the secret
	SignsBody bool                                      // the proof covers the body
	Text      func(t testing.TB, c channel.Call) string // the text that a call shows
	Answers   []Answer
	AnyBody   bool // an answer with status 2xx is a success, whatever it says
}

// Answer is one line of the table of a platform's answers.
type Answer struct {
	Name   string
	Status int
	Header map[string][]string
	Body   string
	ID     string        // of a success
	Kind   fault.Kind    // of an error
	After  time.Duration // at least
	Is     error         // ErrMarkup or ErrGone
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	adapter, err := s.Open(fntest.Env(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("verify", s.verify(adapter))
	t.Run("decode", s.decode(adapter))
	t.Run("encode", s.encode(adapter))
	t.Run("split", s.split(adapter))
	t.Run("classify", s.classify(adapter))
	t.Run("caps", s.caps(adapter))
}

// account returns the account with these secrets.
func (s Suite) account(t testing.TB, secrets map[string]string) channel.Account {
	t.Helper()
	env := fntest.Env(t, nil)
	for field, value := range secrets {
		file := filepath.Join(env.Secrets, s.Platform+"-"+field)
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := channel.NewAccount(env, s.Platform, "")
	a.Self = s.Self
	return a
}

// verify is about secrets that fail closed: whatever is missing, nobody gets in by proving with nothing.
func (s Suite) verify(adapter channel.Adapter) func(*testing.T) {
	right := s.Secrets[s.Proof]
	missing := map[string]string{}
	for field, value := range s.Secrets {
		if field != s.Proof {
			missing[field] = value
		}
	}
	with := func(value string) map[string]string {
		all := map[string]string{s.Proof: value}
		for field, v := range missing {
			all[field] = v
		}
		return all
	}
	tests := []struct {
		name    string
		secrets map[string]string
		proof   string
		accept  bool
	}{
		{"right", with(right), right, true},
		{"right in a file that ends with a line break", with(right + "\n"), right, true},
		{"wrong", with(right), right[:len(right)-1] + "x", false},
		{"shorter", with(right), right[:len(right)-1], false},
		{"longer", with(right), right + right, false},
		{"empty proof", with(right), "", false},
		{"secret missing", missing, right, false},
		{"secret missing, empty proof", missing, "", false},
		{"secret blank, empty proof", with(""), "", false},
		{"secret of spaces, empty proof", with(" \n\t"), "", false},
		{"secret of spaces, same proof", with(" \n\t"), " \n\t", false},
	}
	return func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				a := s.account(t, tt.secrets)
				r := request(`{"some":"body"}`)
				s.Prove(tt.proof, &r)
				body, err := adapter.Verify(a, r)
				if (err == nil) != tt.accept {
					t.Fatalf("accepted: %v, %v", err == nil, err)
				}
				if tt.accept && s.SignsBody {
					r.Body = append(r.Body, ' ')
					if _, err := adapter.Verify(a, r); err == nil {
						t.Error("accepted a changed body")
					}
				}
				if tt.accept && len(body) == 0 {
					t.Error("the body is gone")
				}
			})
		}
		t.Run("no proof", func(t *testing.T) {
			if _, err := adapter.Verify(s.account(t, s.Secrets), request(`{}`)); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func request(body string) channel.Request {
	return channel.Request{Method: "POST", Query: map[string][]string{}, Header: map[string][]string{}, Body: []byte(body)}
}

func (s Suite) decode(adapter channel.Adapter) func(*testing.T) {
	return goldens("decode", "request", "inbound", func(t *testing.T, body []byte) []byte {
		batch, err := adapter.Decode(s.account(t, s.Secrets), headed(t, body))
		if err != nil {
			return []byte("error: " + string(fault.KindOf(err)) + "\n")
		}
		var out bytes.Buffer
		if ack := batch.Ack; ack.Body != nil {
			fmt.Fprintf(&out, "ack: %s %s\n", ack.Type, ack.Body)
		}
		for _, in := range batch.Events {
			show(t, &out, in)
		}
		return out.Bytes()
	})
}

// headed reads a golden request: headers and a blank line may stand before the body.
func headed(t *testing.T, golden []byte) channel.Request {
	head, body, found := bytes.Cut(golden, []byte("\n\n"))
	if !found {
		return request(string(golden))
	}
	r := request(string(body))
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(head, "\n\n"...)))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header(header)
	return r
}

func (s Suite) encode(adapter channel.Adapter) func(*testing.T) {
	return goldens("encode", "outbound", "calls", func(t *testing.T, body []byte) []byte {
		var out message.Outbound
		if err := fn.Decode(body, &out); err != nil {
			t.Fatal(err)
		}
		calls, err := adapter.Encode(s.account(t, s.Secrets), out)
		if err != nil {
			return []byte("error: " + string(fault.KindOf(err)) + "\n")
		}
		var text bytes.Buffer
		for _, c := range calls {
			write(t, &text, "", &c)
		}
		return text.Bytes()
	})
}

// write shows a call with its other forms.
func write(t *testing.T, out *bytes.Buffer, form string, c *channel.Call) {
	if c == nil {
		return
	}
	fmt.Fprintf(out, "%s%s %s\n", form, c.Method, c.Path)
	if id := c.Header.Get("webhook-id"); id != "" {
		fmt.Fprintf(out, "webhook-id: %s\n", id)
	}
	if json.Valid(c.Body) {
		show(t, out, json.RawMessage(c.Body))
	} else {
		out.Write(append(c.Body, '\n'))
	}
	write(t, out, form+"plain:", c.Plain)
	write(t, out, form+"fresh:", c.Fresh)
}

func show(t *testing.T, out *bytes.Buffer, v any) {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
}

// goldens runs the pairs of a folder: one file is one test.
func goldens(folder, from, to string, run func(*testing.T, []byte) []byte) func(*testing.T) {
	return func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no goldens in testdata/%s: %v", folder, err)
		}
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				archive, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				got := run(t, part(archive, from))
				if want := part(archive, to); !bytes.Equal(got, want) && !*update {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
				if *update {
					archive.Files = []txtar.File{{Name: from, Data: part(archive, from)}, {Name: to, Data: got}}
					if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

func part(archive *txtar.Archive, name string) []byte {
	for _, f := range archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// torture is Markdown of all kinds with n numbered words.
func torture(n int) string {
	var b strings.Builder
	for i := range n {
		switch i % 7 {
		case 0:
			fmt.Fprintf(&b, "# Title <w%d>\n\n", i)
		case 1:
			fmt.Fprintf(&b, "**Bold w%d** & *italic* `co<de`, 中文内容。%s\n\n", i, strings.Repeat("😀 words ", 40))
		case 2:
			fmt.Fprintf(&b, "- item w%d\n  - inner [link](https://e.org/?a=%d&b=2)\n", i, i)
		case 3:
			fmt.Fprintf(&b, "\n```go\nfunc w%d() {\n%s}\n```\n\n", i, strings.Repeat("\treturn a < b && c\n", 30))
		case 4:
			fmt.Fprintf(&b, "| a | b |\n|---|---|\n| w%d | %s |\n\n", i, strings.Repeat("cell ", 20))
		case 5:
			fmt.Fprintf(&b, "> quoted w%d\n\n", i)
		case 6:
			fmt.Fprintf(&b, "w%d%s\n\n", i, strings.Repeat("无空格的长文本", 60))
		}
	}
	return b.String()
}

// split proves MaxText: a long text goes out whole, in parts that the platform takes.
func (s Suite) split(adapter channel.Adapter) func(*testing.T) {
	return func(t *testing.T) {
		const words = 70
		caps := adapter.Caps()
		calls, err := adapter.Encode(s.account(t, s.Secrets), message.Outbound{Address: s.Address, Markdown: torture(words)})
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []struct {
			name string
			of   func(channel.Call) *channel.Call
		}{
			{"marked up", func(c channel.Call) *channel.Call { return &c }},
			{"plain", func(c channel.Call) *channel.Call { return c.Plain }},
		} {
			said := ""
			for i, c := range calls {
				call := form.of(c)
				if call == nil {
					continue
				}
				text := s.Text(t, *call)
				if n := caps.Unit(text); n > caps.MaxText || strings.TrimSpace(text) == "" {
					t.Errorf("%s part %d has %d of %d", form.name, i, n, caps.MaxText)
				}
				said += text + "\n"
			}
			for i := range words {
				if said != "" && !strings.Contains(said, fmt.Sprintf("w%d", i)) {
					t.Errorf("%s: w%d is lost", form.name, i)
				}
			}
		}
		if len(calls) < 2 {
			t.Errorf("%d parts of %d", len(calls), caps.MaxText)
		}
	}
}

func (s Suite) classify(adapter channel.Adapter) func(*testing.T) {
	return func(t *testing.T) {
		for _, tt := range s.Answers {
			t.Run(tt.Name, func(t *testing.T) {
				id, err := adapter.Classify(channel.Answer{Status: tt.Status, Header: tt.Header, Body: []byte(tt.Body)})
				if id != tt.ID || (err == nil) != (tt.Kind == "") || err != nil && fault.KindOf(err) != tt.Kind {
					t.Fatalf("got %q, %v (%s), want %q, %s", id, err, fault.KindOf(err), tt.ID, tt.Kind)
				}
				if fault.After(err) < tt.After || tt.Is != nil && !errors.Is(err, tt.Is) {
					t.Errorf("got %v after %v", err, fault.After(err))
				}
			})
		}
		for _, status := range []int{200, 400, 429, 500, 502, 503} {
			if _, err := adapter.Classify(channel.Answer{Status: status, Body: []byte("<html>")}); (err == nil) != (s.AnyBody && status == 200) {
				t.Errorf("a page with status %d: %v", status, err)
			}
		}
	}
}

// caps proves the claims: what an adapter says it can do changes what goes out.
func (s Suite) caps(adapter channel.Adapter) func(*testing.T) {
	return func(t *testing.T) {
		a, caps := s.account(t, s.Secrets), adapter.Caps()
		encode := func(change func(*message.Outbound)) []channel.Call {
			out := message.Outbound{Key: "k/1", Address: s.Address, Markdown: "Hello [you](javascript:alert(1))"}
			change(&out)
			calls, err := adapter.Encode(a, out)
			if err != nil {
				t.Fatal(err)
			}
			return calls
		}
		base := encode(func(*message.Outbound) {})
		if again := encode(func(*message.Outbound) {}); !reflect.DeepEqual(base, again) {
			t.Error("the same message gives other calls")
		}
		if bytes.Contains(base[0].Body, []byte("javascript:")) {
			t.Error("a dangerous link goes out")
		}
		for _, claim := range []struct {
			name   string
			claim  bool
			change func(*message.Outbound)
		}{
			{"edits", caps.Edits, func(o *message.Outbound) { o.Edit = s.Message }},
			{"quotes", caps.Quotes, func(o *message.Outbound) { o.ReplyTo = s.Message }},
			{"threads", caps.Threads, func(o *message.Outbound) { o.Address.Thread = s.Thread }},
			{"dedupes", caps.Dedupes, func(o *message.Outbound) { o.Key = "k/2" }},
			{"buttons", caps.Buttons, func(o *message.Outbound) { o.Buttons = [][]message.Button{{{Label: "Yes", Value: "a:r3f-x:0"}}} }},
		} {
			if changed := !reflect.DeepEqual(base, encode(claim.change)); changed != claim.claim {
				t.Errorf("%s: claimed %v, seen %v", claim.name, claim.claim, changed)
			}
		}
		if caps.Buttons {
			s.buttons(t, a, adapter)
		}
		if caps.Unit == nil || caps.MaxText <= 0 || caps.Pace == nil {
			t.Error("Unit, MaxText and Pace are needed")
		}
		if _, err := adapter.Encode(a, message.Outbound{Address: s.Address, Markdown: strings.Repeat("> ", 5000) + "x"}); err != nil {
			t.Errorf("hostile Markdown: %v", err)
		}
	}
}

// buttons stand under the last part, come back as they are, and are never cut.
func (s Suite) buttons(t *testing.T, a channel.Account, adapter channel.Adapter) {
	out := message.Outbound{Address: s.Address, Markdown: torture(70)}
	value := strings.Repeat("v", message.MaxButtonValue)
	out.Buttons = [][]message.Button{{{Label: "Yes", Value: value}}}
	calls, err := adapter.Encode(a, out)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(calls, func(c channel.Call) bool { return bytes.Contains(c.Body, []byte(value)) })
	if at != len(calls)-1 {
		t.Errorf("the buttons are under part %d of %d", at+1, len(calls))
	}
	out.Buttons[0][0].Value += "v"
	if _, err := adapter.Encode(a, out); !fault.Is(err, fault.Invalid) {
		t.Errorf("a value that is too long: %v", err)
	}
}
