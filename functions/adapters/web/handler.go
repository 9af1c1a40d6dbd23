// Package web is the adapter for our own page, the CLI and every other client of ours. A conversation is
// an event log in the ledger: what is delivered is appended there, and every device of a person reads the
// same log at its own pace.
package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

const (
	name       = "adapter-web"
	platform   = "web"
	maxSession = 128              // characters of a session's name
	callTime   = 30 * time.Second // of a request that does not stream
)

// Function is adapter-web.
var Function = fn.Function{Name: name, Streams: true, New: start}

type handler struct {
	env    *fn.Env
	ledger *ledger.Ledger
	intake *channel.Intake
}

func start(ctx context.Context, env *fn.Env) (http.Handler, error) {
	l, err := ledger.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	h := &handler{env: env, ledger: l}
	if h.intake, err = channel.NewIntake(ctx, env, name, func(ctx context.Context, out message.Outbound) error {
		_, err := h.deliver(ctx, out)
		return err
	}); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /_/send", gateway.Signed(env, name, fn.JSON(h.deliver)))
	mux.HandleFunc("POST /messages", h.post)
	mux.HandleFunc("GET /events", h.events)
	mux.HandleFunc("GET /sessions", h.sessions)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fault.Write(w, fault.New(fault.NotFound, "no %s %s here", r.Method, r.URL.Path))
	})
	return mux, nil
}

// principal returns who a request acts for. Everybody here has a name.
func (h *handler) principal(r *http.Request, body []byte) (policy.Principal, error) {
	p, err := gateway.Principal(h.env, name, r, body)
	if err != nil {
		return policy.Principal{}, err
	}
	if p.User == "" {
		return policy.Principal{}, fault.New(fault.Unauthorized, "sign in first").Try("hearth user token NAME")
	}
	return p, policy.May(p, policy.Talk, "")
}

// address is the place of a person's session. Nobody else's session has it.
func address(user, session string) message.Address {
	return message.Address{Platform: platform, Chat: user, Thread: session}
}

func checkSession(session string) error {
	if n := len([]rune(session)); n == 0 || n > maxSession {
		return fault.New(fault.Invalid, "a session's name has 1 to %d characters, not %d", maxSession, n).At("session")
	}
	return nil
}

// answer is the event of something the assistant says. It replaces the drafts of the same number.
type answer struct {
	Type     string             `json:"type"` // answer
	Key      string             `json:"key"`
	Seq      int64              `json:"seq"` // of the message that it answers; 0 for none
	Markdown string             `json:"markdown"`
	Buttons  [][]message.Button `json:"buttons"`
	Files    []message.File     `json:"files,omitempty"`
	Run      string             `json:"run"`
	Repeated bool               `json:"repeated"` // always false here
	At       time.Time          `json:"at"`
}

// deliver appends what the assistant says to the session's log. The log recognises the key of a repeated
// delivery. Markdown stays as it is: clients render it, and treat it as untrusted.
func (h *handler) deliver(ctx context.Context, out message.Outbound) (message.Receipt, error) {
	if out.Address.Platform != platform || out.Address.Chat == "" || out.Address.Thread == "" {
		return message.Receipt{}, fault.New(fault.Invalid, "not a session of the web").At("address")
	}
	now := h.env.Now().UTC()
	a := answer{
		Type: "answer", Key: out.Key, Seq: seqOf(out.Key), Markdown: out.Markdown, Buttons: out.Buttons, Files: out.Files,
		Run: out.Run, At: now, // never a repeat: the log recognises the key
	}
	if a.Buttons == nil {
		a.Buttons = [][]message.Button{}
	}
	body, err := json.Marshal(a)
	if err != nil {
		return message.Receipt{}, fault.As(fault.Internal, err, "encode an answer")
	}
	id, err := h.ledger.Append(ctx, channel.Lane(h.ledger, out.Address), out.Key, body)
	if err != nil {
		return message.Receipt{}, err
	}
	return message.Receipt{IDs: []string{id}, At: now}, nil
}

// seqOf returns the number in the key of an answer, <session>/<ledger.AnswerID>; 0 in any other key.
func seqOf(key string) int64 {
	id := key[strings.LastIndexByte(key, '/')+1:]
	seq, err := strconv.ParseInt(strings.TrimPrefix(id, "m"), 10, 64)
	if err != nil || ledger.AnswerID(seq) != id {
		return 0
	}
	return seq
}
