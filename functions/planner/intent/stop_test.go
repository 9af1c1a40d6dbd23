package intent_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/model/modeltest"
)

// TestStopWhileAnAnswerIsWritten says stop once the model has said a sentence and goes on for ever.
func TestStopWhileAnAnswerIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		stop func(ctx context.Context, b *bench) error
		want string
	}{
		"this conversation": {"tell me a story", func(ctx context.Context, b *bench) error { return halt(ctx, b, 1) }, "Once upon a time. Stopped."},
		"in Chinese":        {"讲个故事", func(ctx context.Context, b *bench) error { return halt(ctx, b, 1) }, "Once upon a time. 已停止。"},
		"the user":          {"tell me a story", func(ctx context.Context, b *bench) error { return b.ledger.Brake(ctx, "ann", false) }, "Once upon a time. Stopped."},
		"everything":        {"tell me a story", func(ctx context.Context, b *bench) error { return b.ledger.Brake(ctx, "", true) }, "Once upon a time. Stopped: nothing is done until"},
	} {
		t.Run(name, func(t *testing.T) {
			asked, b, stopped := 0, (*bench)(nil), make(chan struct{})
			b = open(t, &modeltest.Server{Pace: func(ctx context.Context) error { // the first tokens make a sentence
				if asked++; asked < 16 {
					return nil
				}
				if shown, err := b.ledger.Events(t.Context(), b.lane, "", time.Minute, 1); err != nil || len(shown) != 1 {
					t.Errorf("the sentence is not shown: %v", err)
				}
				if err := c.stop(t.Context(), b); err != nil {
					t.Error(err)
				}
				close(stopped)
				<-ctx.Done()
				return ctx.Err()
			}})
			b.place = "web" // which shows each sentence at once
			b.model.Script(modeltest.Say("Once upon a time. " + strings.Repeat("And then ", 20)))
			out := b.say(c.text)
			<-stopped
			if out == nil || !strings.HasPrefix(strings.Join(strings.Fields(out.Markdown), " "), c.want) || strings.Contains(out.Markdown, "And then") {
				t.Fatalf("%+v", out)
			}
			if b.ring() != nil {
				t.Error("answered twice")
			}
		})
	}
}

func halt(ctx context.Context, b *bench, want int) error {
	n, err := b.ledger.Halt(ctx, b.lane)
	if err == nil && n != want {
		b.t.Errorf("%d messages halted, want %d", n, want)
	}
	return err
}

// TestStopWhileAPlanIsMade forgets the plan.
func TestStopWhileAPlanIsMade(t *testing.T) {
	var b *bench
	b = open(t, &modeltest.Server{Pace: func(ctx context.Context) error {
		if len(b.model.Requests()) < 2 {
			return nil
		}
		return b.ledger.Brake(ctx, "ann", false)
	}})
	b.model.Script(modeltest.Say("PLAN"), planned("bo@other.example"))
	if out := b.say("let bo@other.example know"); out == nil || out.Run != "" || b.runs() != 0 || !strings.Contains(out.Markdown, "Stopped") {
		t.Errorf("%+v, %d runs", out, b.runs())
	}
}

// TestStopBeforeTheRunStarts says stop when the plan is made and about to be written down as a run.
func TestStopBeforeTheRunStarts(t *testing.T) {
	b := open(t, &modeltest.Server{})
	b.model.Script(modeltest.Say("PLAN"), planned("bo@other.example"))
	var once sync.Once
	b.store.Server().SetPreHook(func(_ *server.Peer, command string, args ...string) bool {
		if command == "EVALSHA" && args[1] == finishKeys {
			once.Do(func() { _ = halt(t.Context(), b, 1) }) // what it did not halt, it tells b
		}
		return false
	})
	if out := b.say("let bo@other.example know"); out == nil || out.Run != "" || b.runs() != 0 || out.Markdown != "Stopped." {
		t.Errorf("%+v, %d runs", out, b.runs())
	}
	if b.ring() != nil {
		t.Error("answered twice")
	}
}

// finishKeys is how many keys the script that ends a message has, alone among the ledger's.
const finishKeys = "10"

// TestWhatWaitedIsStoppedToo accepts three messages, says stop, and then a fourth: each gets one answer.
func TestWhatWaitedIsStoppedToo(t *testing.T) {
	b := open(t, &modeltest.Server{})
	b.accept("one")
	b.accept("two")
	b.accept("three")
	if err := halt(t.Context(), b, 3); err != nil {
		t.Fatal(err)
	}
	b.accept("four")
	b.model.Script(modeltest.Say("The fourth."))
	b.ring()
	var said []string
	for _, out := range b.got {
		said = append(said, out.Markdown)
	}
	if strings.Join(said, "|") != "Stopped.|Stopped.|Stopped.|The fourth." {
		t.Errorf("%q", said)
	}
}

// TestEverythingStoppedAnswers tells why nothing is done, and does not ask the model.
func TestEverythingStoppedAnswers(t *testing.T) {
	b := open(t, &modeltest.Server{})
	if err := b.ledger.Brake(t.Context(), ledger.Everybody, true); err != nil {
		t.Fatal(err)
	}
	if out := b.say("how are you?"); out == nil || !strings.Contains(out.Markdown, "hearth resume") || len(b.model.Requests()) != 0 {
		t.Fatalf("%+v", out)
	}
	if err := b.ledger.Release(t.Context(), ledger.Everybody); err != nil {
		t.Fatal(err)
	}
	b.model.Script(modeltest.Say("Well."))
	if out := b.say("and now?"); out == nil || out.Markdown != "Well." {
		t.Fatalf("%+v", out)
	}
}
