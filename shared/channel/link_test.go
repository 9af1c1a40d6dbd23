package channel_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
)

// update is a polled update: what the webhook would carry.
func update(n int, text string) string {
	return fmt.Sprintf(`[{"id":"%d","kind":"text","chat_kind":"direct","from":{"id":"ann"},"address":{"chat":"c-ann"},"text":%q}]`, n, text)
}

// poll is a platform that is polled, one poll at a time.
type poll struct {
	world   *world
	cursors chan string              // what each poll asks for
	answers chan answer              // what it hears
	other   func(path string) answer // what other calls hear
	over    chan struct{}
	end     func() // ends the links and waits for them
}

// link starts the links of a world with a token.
func link(w *world, token string, other func(path string) answer) *poll {
	w.t.Helper()
	p := &poll{world: w, cursors: make(chan string), answers: make(chan answer), other: other, over: make(chan struct{})}
	if err := os.WriteFile(filepath.Join(w.env.Secrets, token), []byte("tok of "+token), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.api = p.serve
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- channel.Link(ctx, w.env, []fn.Function{parrotFunction, {Name: "planner-intent"}}) }()
	p.end = sync.OnceFunc(func() {
		close(p.over)
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(p.end)
	return p
}

func ready(string) answer { return answer{200, "1"} }

func (p *poll) serve(path, body string) answer {
	if path != "/poll" {
		return p.other(path)
	}
	select {
	case p.cursors <- body:
	case <-p.over:
		return answer{409, ""}
	}
	select {
	case a := <-p.answers:
		return a
	case <-p.over:
		return answer{409, ""}
	}
}

// next wants a poll after a cursor and answers it.
func (p *poll) next(cursor string, a answer) {
	p.world.t.Helper()
	if got := <-p.cursors; got != cursor {
		p.world.t.Errorf("polled after %q, want %q", got, cursor)
	}
	p.answers <- a
}

func updates(list ...string) answer { return answer{200, "[" + strings.Join(list, ",") + "]"} }

// said returns what was accepted in a conversation.
func (w *world) accepted(a message.Address) string {
	w.t.Helper()
	events, err := w.ledger.Events(context.Background(), channel.Lane(w.ledger, a), "", 0, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range events {
		all.Write(e.Body)
	}
	return all.String()
}

func TestLinkBringsUpdates(t *testing.T) {
	w := newWorld(t)
	p := link(w, "parrot-token", ready)
	poison := strings.Replace(update(3, "x"), `"kind":"text"`, `"kind":7`, 1) // can never be taken
	p.next("", updates(update(1, "one"), update(2, "two")))
	p.next("2", updates(poison, update(4, "four")))
	p.next("4", answer{409, ""})
	p.next("4", updates())
	for _, want := range []string{"one", "two", "four"} {
		if !strings.Contains(w.accepted(chatOf("ann")), want) {
			t.Errorf("%q was not accepted", want)
		}
	}
	w.log.wait(t, "left out")
	w.log.wait(t, "somebody else polls")
}

func TestLinkAdvancesOnlyAfterTheAdapter(t *testing.T) {
	w := newWorld(t)
	away := make(chan bool, 1)
	away <- true
	p := link(w, "parrot-token", func(string) answer {
		select {
		case <-away:
			return answer{status: 0} // the adapter cannot ask who it is, and answers 503
		default:
			return ready("")
		}
	})
	p.next("", updates(update(1, "one")))
	p.next("", updates(update(1, "one"))) // not advanced past what was not taken
	p.next("1", updates())
	if got := w.accepted(chatOf("ann")); strings.Count(got, "one") != 1 {
		t.Errorf("accepted %s", got)
	}
}

func TestOneProcessPolls(t *testing.T) {
	w := newWorld(t)
	v, err := w.env.Vault()
	if err != nil {
		t.Fatal(err)
	}
	name := "link-" + v.Blind("link", "parrot", "tok of parrot-token")
	other := ledger.NewOwner()
	if _, held, err := w.ledger.Lease(t.Context(), name, other, time.Minute); err != nil || !held {
		t.Fatal(held, err)
	}
	p := link(w, "parrot-token", ready)
	w.log.wait(t, "another process serves")
	select {
	case <-p.cursors:
		t.Error("polled although another process does")
	default:
	}
}

func TestLinkGivesTheLeaseBack(t *testing.T) {
	w := newWorld(t)
	v, err := w.env.Vault()
	if err != nil {
		t.Fatal(err)
	}
	p := link(w, "parrot-token", ready)
	p.next("", updates())
	<-p.cursors
	p.answers <- updates()
	p.end()
	name := "link-" + v.Blind("link", "parrot", "tok of parrot-token")
	if _, held, err := w.ledger.Lease(t.Context(), name, ledger.NewOwner(), time.Minute); err != nil || !held {
		t.Errorf("held: %v, %v", held, err)
	}
}

func TestAccountsWithTokensArePolled(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"parrot.-token", "slack.ops-token", "parrot.ops-other"} {
		if err := os.WriteFile(filepath.Join(w.env.Secrets, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := link(w, "parrot.sales-token", ready)
	p.next("", updates(update(1, "hello")))
	p.next("1", updates())
	sales := chatOf("ann")
	sales.Account = "sales"
	if got := w.accepted(sales); !strings.Contains(got, "hello") {
		t.Errorf("accepted %q", got)
	}
	if got := w.accepted(chatOf("ann")); got != "" {
		t.Errorf("the default account accepted %q", got)
	}
}
