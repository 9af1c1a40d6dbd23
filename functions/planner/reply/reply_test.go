package reply_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/hearthfaas/hearth/functions/planner/reply"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// desk is planner-reply with an adapter that answers as the test says, and a conversation.
type desk struct {
	t      *testing.T
	env    *fn.Env
	ledger *ledger.Ledger
	store  *miniredis.Miniredis
	now    time.Time
	host   http.Handler
	answer func() error // of the adapter; errLost for none at all
	got    []message.Outbound
	lane   ledger.Lane
}

var errLost = errors.New("lost")

func open(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, store: miniredis.RunT(t), now: time.Date(2026, 1, 2, 1, 0, 0, 0, time.UTC)}
	d.store.SetTime(d.now)
	d.env = fntest.Env(t, map[string]string{"REDIS_URL": "redis://" + d.store.Addr() + "/0?" + ledger.VolatileFlag + "=1"})
	d.env.Transport, d.env.Now = d, func() time.Time { return d.now }
	var err error
	if d.ledger, err = ledger.Open(t.Context(), d.env); err != nil {
		t.Fatal(err)
	}
	if d.host, err = fn.NewHost(t.Context(), reply.Function, d.env); err != nil {
		t.Fatal(err)
	}
	d.lane = d.ledger.Session("test", "chat")
	return d
}

// RoundTrip is the gateway: planner-reply, and an adapter that takes signed calls.
func (d *desk) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if path, found := strings.CutPrefix(r.URL.Path, "/function/planner-reply"); found {
		in := r.Clone(r.Context())
		in.URL.Path = "/" + path
		d.host.ServeHTTP(rec, in)
		return rec.Result(), nil
	}
	if r.URL.Path != "/function/adapter-test/_/send" {
		fault.Write(rec, fault.New(fault.NotFound, "no %s", r.URL.Path))
		return rec.Result(), nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if _, err := ledgertest.Vault(d.t).Verify(r.Header.Get(vault.CallHeader), "adapter-test", body, d.now); err != nil {
		d.t.Errorf("the call of the adapter is not signed for it: %v", err)
	}
	var out message.Outbound
	if err := json.Unmarshal(body, &out); err != nil {
		d.t.Error(err)
	}
	d.got = append(d.got, out)
	switch err := d.answer(); {
	case errors.Is(err, errLost):
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		if op, ok := errors.AsType[*net.OpError](err); ok {
			return nil, op
		}
		fault.Write(rec, err)
	default:
		fn.Reply(rec, http.StatusOK, message.Receipt{})
	}
	return rec.Result(), nil
}

func (d *desk) advance(by time.Duration) {
	d.now = d.now.Add(by)
	d.store.SetTime(d.now)
}

// say accepts a message and finishes it with an answer that waits to be delivered.
func (d *desk) say(key string) {
	d.t.Helper()
	if err := d.ledger.Undelivered(d.t.Context(), d.finish(key), 0, true); err != nil { // planner-intent left before it delivered: the first try
		d.t.Fatal(err)
	}
}

// finish accepts a message and finishes it with an answer, which it still holds.
func (d *desk) finish(key string) ledger.Claim {
	d.t.Helper()
	ctx := d.t.Context()
	if _, err := d.ledger.Accept(ctx, ledger.Message{Lane: d.lane, Key: key, Body: []byte(key)}); err != nil {
		d.t.Fatal(err)
	}
	w, err := d.ledger.Claim(ctx, d.lane, "intent-"+key)
	if err != nil || w == nil || w.Inbox == nil {
		d.t.Fatal(w, err)
	}
	answer, err := json.Marshal(message.Outbound{Address: message.Address{Platform: "test", Chat: "1"}, Markdown: "answer to " + key})
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.ledger.Finish(ctx, w.Claim, ledger.Finish{Seq: w.Inbox.Seq, Answer: answer}); err != nil {
		d.t.Fatal(err)
	}
	return w.Claim
}

// deliver claims the head of the outbox as planner-intent does and hands it on. It reports false when
// nothing is due.
func (d *desk) deliver() (channel.Delivered, bool) {
	d.t.Helper()
	w, err := d.ledger.Claim(d.t.Context(), d.lane, ledger.NewOwner())
	if err != nil {
		d.t.Fatal(err)
	}
	if w == nil || w.Outbox == nil {
		return channel.Delivered{}, false
	}
	g, err := gateway.Open(d.env, "planner-intent")
	if err != nil {
		d.t.Fatal(err)
	}
	in := channel.Delivery{Claim: w.Claim, ID: w.Outbox.ID, Body: w.Outbox.Body, Doubt: w.Outbox.Doubt, Dead: w.Outbox.Dead, Tries: w.Outbox.Tries}
	var out channel.Delivered
	if err := g.Call(d.t.Context(), "planner-reply", vault.Call{}, in, &out); err != nil {
		d.t.Fatal(err)
	}
	return out, true
}

func TestWhatBecomesOfADelivery(t *testing.T) {
	for name, c := range map[string]struct {
		answer   error
		again    time.Duration // when it is tried again; 0 for never
		repeated bool          // and then marked as a possible repeat
	}{
		"sent":               {nil, 0, false},
		"adapter away":       {&net.OpError{Op: "dial", Err: errors.New("refused")}, 4 * time.Second, false},
		"platform away":      {fault.New(fault.Unavailable, "away"), 4 * time.Second, false},
		"platform is busy":   {fault.New(fault.Limited, "slowly").In(7 * time.Second), 7 * time.Second, false},
		"nobody knows":       {fault.New(fault.Unknown, "cut off"), 5 * time.Second, true},
		"no answer":          {errLost, 5 * time.Second, true},
		"no answer in time":  {fault.New(fault.Timeout, "late"), 5 * time.Second, true},
		"we crashed":         {fault.New(fault.Internal, "oh"), 5 * time.Second, true},
		"blocked by them":    {fault.New(fault.Forbidden, "blocked"), 0, false},
		"refused for good":   {fault.New(fault.Invalid, "bad chat"), 0, false},
		"no such chat there": {fault.New(fault.NotFound, "gone"), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			d.answer = func() error { return c.answer }
			d.say("one")
			if _, ok := d.deliver(); !ok || len(d.got) != 1 || d.got[0].Repeated || d.got[0].Key != string(d.lane)+"/m1" {
				t.Fatalf("%+v", d.got)
			}
			d.answer = func() error { return nil }
			if c.again == 0 {
				d.advance(time.Hour)
				if _, ok := d.deliver(); ok {
					t.Error("delivered again")
				}
				return
			}
			d.advance(c.again - time.Millisecond)
			if _, ok := d.deliver(); ok {
				t.Fatal("too early")
			}
			d.advance(time.Millisecond)
			if _, ok := d.deliver(); !ok || len(d.got) != 2 || d.got[1].Repeated != c.repeated || d.got[1].Key != d.got[0].Key {
				t.Errorf("the second delivery: %+v", d.got)
			}
		})
	}
}

// TestDoubtStays keeps the mark of a possible repeat while later deliveries do not get through at all.
func TestDoubtStays(t *testing.T) {
	d := open(t)
	answers := []error{fault.New(fault.Unknown, "cut off"), fault.New(fault.Unavailable, "away"), nil}
	d.answer = func() error { return answers[len(d.got)-1] }
	d.say("one")
	for range answers {
		d.deliver()
		d.advance(time.Minute)
	}
	if len(d.got) != 3 || !d.got[1].Repeated || !d.got[2].Repeated {
		t.Errorf("%+v", d.got)
	}
}

// TestHolderDies: an answer that was about to be sent when its holder died may be there already.
func TestHolderDies(t *testing.T) {
	for name, die := range map[string]func(d *desk){
		"after it finished the message": func(d *desk) {
			d.finish("one")
		},
		"after it claimed the answer": func(d *desk) {
			d.say("one")
			if w, err := d.ledger.Claim(t.Context(), d.lane, ledger.NewOwner()); err != nil || w == nil || w.Outbox == nil || w.Outbox.Doubt {
				t.Fatal(w, err)
			}
		},
	} {
		d := open(t)
		d.answer = func() error { return nil }
		die(d)
		if _, ok := d.deliver(); ok {
			t.Fatalf("%s: delivered beside its holder", name)
		}
		d.advance(time.Minute)
		if _, ok := d.deliver(); !ok || len(d.got) != 1 || !d.got[0].Repeated {
			t.Errorf("%s: %+v", name, d.got)
		}
	}
}

// TestDeadMessage gets one apology, in its own language and at its own place.
func TestDeadMessage(t *testing.T) {
	for text, want := range map[string]string{
		"please do " + strings.Repeat("x", 60): `Sorry: your message "please do xxxxx`,
		"请帮我查一下":                               `抱歉：您的消息"请帮我查一下"`,
	} {
		d := open(t)
		answers := []error{errLost, nil}
		d.answer = func() error { return answers[len(d.got)-1] }
		in := message.Inbound{ID: "1", Text: text, MessageID: "77", Address: message.Address{Platform: "test", Chat: "42", Thread: "9"}}
		body, err := json.Marshal(channel.Accepted{Inbound: in, Principal: policy.Principal{Role: policy.Guest}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.ledger.Accept(t.Context(), ledger.Message{Lane: d.lane, Key: "1", Body: body}); err != nil {
			t.Fatal(err)
		}
		for range 8 { // holders that die without a word
			if w, err := d.ledger.Claim(t.Context(), d.lane, ledger.NewOwner()); err != nil || w == nil || w.Inbox == nil {
				t.Fatal(w, err)
			}
			d.advance(time.Minute)
		}
		if _, ok := d.deliver(); !ok || len(d.got) != 1 {
			t.Fatalf("%+v", d.got)
		}
		got := d.got[0]
		if !strings.HasPrefix(got.Markdown, want) || got.Address != in.Address || got.ReplyTo != "77" || len([]rune(got.Markdown)) > 200 {
			t.Errorf("%+v", got)
		}
		d.advance(time.Minute)
		if _, ok := d.deliver(); !ok || len(d.got) != 2 || got.Repeated || !d.got[1].Repeated || d.got[1].Markdown != got.Markdown {
			t.Errorf("after a lost answer: %+v", d.got)
		}
		d.advance(time.Hour)
		if _, ok := d.deliver(); ok {
			t.Error("a third apology")
		}
	}
}

// TestAnswersInOrder delivers the next answer only once the first is settled.
func TestAnswersInOrder(t *testing.T) {
	d := open(t)
	answers := []error{fault.New(fault.Unavailable, "away"), nil, nil}
	d.answer = func() error { return answers[len(d.got)-1] }
	d.say("one")
	if _, err := d.ledger.Accept(t.Context(), ledger.Message{Lane: d.lane, Key: "two", Body: []byte("two")}); err != nil {
		t.Fatal(err)
	}
	d.deliver()
	if _, ok := d.deliver(); ok {
		t.Fatal("delivered while the first waits")
	}
	d.advance(4 * time.Second)
	if out, ok := d.deliver(); !ok || !out.More || d.got[1].Markdown != "answer to one" {
		t.Errorf("%+v %+v", out, d.got)
	}
}

func TestUnsignedIsRefused(t *testing.T) {
	d := open(t)
	rec := httptest.NewRecorder()
	d.host.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{}`)))
	if rec.Code != http.StatusUnauthorized {
		t.Error(rec.Code)
	}
}
