package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/model"
)

// tester is a bundle in a Go test: its errors fail the test.
type tester struct {
	*testing.T
	*bundle
}

// run starts a bundle that ends with the test.
func run(t *testing.T, settings map[string]string) *tester {
	t.Helper()
	noModel(t, settings)
	return runIn(t, filepath.Join(t.TempDir(), "data"), settings)
}

// runIn is run with its data in a folder.
func runIn(t *testing.T, data string, settings map[string]string) *tester {
	t.Helper()
	b, err := launch(data, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("hearth up said:\n%s", b.said)
		}
	})
	return &tester{t, b}
}

// noModel skips a test of the built-in engine where the bundle would find a language model by itself.
func noModel(t *testing.T, settings map[string]string) {
	t.Helper()
	if settings["OPENAI_BASE_URL"] != "" {
		return
	}
	if found := model.Probe(t.Context()); len(found) > 0 {
		t.Skipf("a model server runs at %s: stop it to test the built-in engine", found[0].BaseURL)
	}
}

// needs skips a test that needs a program.
func needs(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s: make dev-setup", name)
	}
}

// as the owner, or it fails the test.
func (b *tester) must(method, path string, in, out any) {
	b.Helper()
	token, err := b.owner()
	if err == nil {
		_, err = b.call(b.Context(), token, method, path, in, out)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// say posts a message of the owner and returns its number. It repeats it, with the same key, until it was
// accepted: the bundle may be away.
func (b *tester) say(session, text, key string) string {
	b.Helper()
	var got struct {
		Message string `json:"message"`
	}
	b.persist("accept "+text, func() error {
		token, err := b.owner()
		if err != nil {
			return err
		}
		in := map[string]string{"session": session, "text": text, "key": key}
		_, err = b.call(b.Context(), token, "POST", "/function/adapter-web/messages", in, &got)
		return err
	})
	return got.Message
}

// patience bounds the wait for one thing.
const patience = 60 * time.Second

// persist does something until it succeeds.
func (b *tester) persist(what string, do func() error) {
	b.Helper()
	limit := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := do()
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			b.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}

// page returns the events of a session after one, waiting for some seconds when there are none.
func (b *tester) page(ctx context.Context, session, after string, seconds int) ([]event, string, error) {
	token, err := b.owner()
	if err != nil {
		return nil, after, err
	}
	var got struct {
		Events []struct {
			ID   string          `json:"id"`
			Data json.RawMessage `json:"data"`
		} `json:"events"`
		Cursor string `json:"cursor"`
	}
	query := url.Values{"session": {session}, "wait": {strconv.Itoa(seconds)}, "after": {after}}
	if _, err := b.call(ctx, token, "GET", "/function/adapter-web/events?"+query.Encode(), nil, &got); err != nil {
		return nil, after, err
	}
	events := make([]event, len(got.Events))
	for i, e := range got.Events {
		if err := json.Unmarshal(e.Data, &events[i]); err != nil {
			return nil, after, err
		}
		events[i].ID = e.ID
	}
	return events, got.Cursor, nil
}

// await returns all events of a session up to the one that was waited for, that one included.
func (b *tester) await(session, what string, enough func(all []event) bool) []event {
	b.Helper()
	var all []event
	after := ""
	limit := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		events, cursor, err := b.page(b.Context(), session, after, 5)
		if err == nil {
			all, after = append(all, events...), cursor
		}
		if enough(all) {
			return all
		}
		if time.Now().After(limit) {
			b.Fatalf("waited in vain for %s in %s (%v): %+v", what, session, err, all)
		}
		<-tick.C // a bundle that is away refuses at once
	}
}

// answered waits for the answer to a message.
func (b *tester) answered(session, message string) event {
	b.Helper()
	all := b.await(session, "the answer to "+message, func(all []event) bool {
		return len(all) > 0 && slices.ContainsFunc(all, func(e event) bool { return e.answers(message) })
	})
	return all[slices.IndexFunc(all, func(e event) bool { return e.answers(message) })]
}

func (e event) answers(message string) bool {
	return e.Type == "answer" && (e.Key == message || strconv.FormatInt(e.Seq, 10) == message)
}

// hearth runs the command line as the owner and returns what it printed and its exit code.
func (b *tester) hearth(args ...string) (stdout, stderr string, code int) {
	b.Helper()
	path, err := program()
	if err != nil {
		b.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(b.Context(), path, args...)
	cmd.Env = append(b.environ(), "HEARTH_GATEWAY="+b.url, "HEARTH_DATA="+b.data)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			b.Fatal(err)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
