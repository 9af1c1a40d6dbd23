package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
	"github.com/hearthfaas/hearth/shared/policy"
)

// maxText is the longest message in bytes.
const maxText = 32 << 10

// saying is something a client says. Key is the client's own id of it: the same key again is the same
// message. Press is the value of a button, instead of a text.
type saying struct {
	Session string `json:"session"`
	Text    string `json:"text"`
	Key     string `json:"key" validate:"required,max=128"`
	Press   string `json:"press" validate:"max=64"`
}

// taken answers a saying. Message is the number that drafts and answer carry as seq, or for an order that
// was carried out at once the key of its answer.
type taken struct {
	Session string `json:"session"`
	Message string `json:"message"`
	Key     string `json:"key"`
}

func (h *handler) post(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), callTime)
	defer cancel()
	body, err := fn.ReadBody(r)
	if err != nil {
		fault.Write(w, err)
		return
	}
	p, err := h.principal(r, body)
	if err != nil {
		fault.Write(w, err)
		return
	}
	var s saying
	if err := fn.Decode(body, &s); err != nil {
		fault.Write(w, err)
		return
	}
	got, err := h.say(ctx, p, s, language(r))
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	fn.Reply(w, http.StatusAccepted, got)
}

// language is the first of Accept-Language.
func language(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	tag, _, _ := strings.Cut(first, ";")
	return strings.TrimSpace(tag)
}

// say takes what somebody says in a session.
func (h *handler) say(ctx context.Context, p policy.Principal, s saying, lang string) (taken, error) {
	if err := checkSession(s.Session); err != nil {
		return taken{}, err
	}
	switch {
	case strings.TrimSpace(s.Text) == "" && s.Press == "":
		return taken{}, fault.New(fault.Invalid, "nothing was said").At("text")
	case len(s.Text) > maxText:
		return taken{}, fault.New(fault.TooLarge, "a message has at most %d bytes, not %d", maxText, len(s.Text)).At("text")
	}
	in := message.Inbound{
		ID: s.Key, Kind: message.Text, Address: address(p.User, s.Session), ChatKind: message.Direct, Mentioned: true,
		From: message.Sender{ID: p.User, Name: p.User}, Text: s.Text, Lang: lang, At: h.env.Now().UTC(),
	}
	if s.Press != "" {
		in.Kind, in.Action = message.Action, &message.Press{ID: s.Key, Value: s.Press}
	}
	got, err := h.intake.TakeFrom(ctx, in, p)
	if err != nil {
		return taken{}, err
	}
	if err := h.visit(ctx, p.User, s); err != nil {
		fn.Logger(ctx, h.env.Log).Warn("the list of sessions is behind", "err", err)
	}
	out := taken{Session: s.Session, Message: got.Answer, Key: s.Key}
	if got.Seq > 0 {
		out.Message = strconv.FormatInt(got.Seq, 10)
	}
	return out, nil
}
