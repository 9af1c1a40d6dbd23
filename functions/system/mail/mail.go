// Package mail is the function system-mail: people look at the mail that the local mailbox kept, which is
// where mail lies when no mail server is configured.
package mail

import (
	"context"
	"net/http"
	"strconv"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/mailbox"
	"github.com/hearthfaas/hearth/shared/policy"
)

// Name is the function's name.
const Name = "system-mail"

// listed is how many messages a list shows at most.
const listed = 200

// Function shows the local mailbox in the directory HEARTH_MAILBOX. Without it there is no mail.
var Function = fn.Function{Name: Name, New: start}

// service is the function at work.
type service struct {
	env   *fn.Env
	store *mailbox.Store // nil without a mailbox
}

func start(_ context.Context, env *fn.Env) (http.Handler, error) {
	s := &service{env: env}
	if dir := env.Setting("HEARTH_MAILBOX", ""); dir != "" {
		s.store = mailbox.Open(dir)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", s.member(s.list))
	mux.Handle("GET /{id}", s.member(s.get))
	mux.Handle("GET /{id}/raw", s.member(s.raw))
	mux.Handle("GET /{id}/attachments/{n}", s.member(s.attachment))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fault.Write(w, fault.New(fault.NotFound, "there is no %s %.64s", r.Method, r.URL.Path))
	})
	return mux, nil
}

// member lets members see, and nobody else.
func (s *service) member(show func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := fn.ReadBody(r)
		if err != nil {
			fault.Write(w, err)
			return
		}
		who, err := gateway.Principal(s.env, Name, r, body)
		if err == nil {
			err = policy.May(who, policy.See, "")
		}
		if err == nil {
			err = show(w, r)
		}
		if err != nil {
			fn.Fail(w, r, err)
		}
	})
}

// list answers with the newest messages.
func (s *service) list(w http.ResponseWriter, _ *http.Request) error {
	mails := []mailbox.Mail{}
	if s.store != nil {
		var err error
		if mails, err = s.store.List(listed); err != nil {
			return err
		}
	}
	fn.Reply(w, http.StatusOK, map[string]any{"mails": mails})
	return nil
}

func (s *service) get(w http.ResponseWriter, r *http.Request) error {
	store, err := s.open()
	if err != nil {
		return err
	}
	detail, err := store.Get(r.PathValue("id"))
	if err != nil {
		return err
	}
	fn.Reply(w, http.StatusOK, detail)
	return nil
}

// raw answers with a message as it was received.
func (s *service) raw(w http.ResponseWriter, r *http.Request) error {
	store, err := s.open()
	if err != nil {
		return err
	}
	raw, err := store.Raw(r.PathValue("id"))
	if err != nil {
		return err
	}
	download(w, "message/rfc822", `attachment; filename="`+r.PathValue("id")+`.eml"`, raw)
	return nil
}

func (s *service) attachment(w http.ResponseWriter, r *http.Request) error {
	store, err := s.open()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 {
		return fault.New(fault.NotFound, "attachments are numbered from 0")
	}
	a, content, err := store.Attachment(r.PathValue("id"), n)
	if err != nil {
		return err
	}
	download(w, a.Type, a.Disposition(), content)
	return nil
}

func (s *service) open() (*mailbox.Store, error) {
	if s.store == nil {
		return nil, fault.New(fault.NotFound, "there is no local mailbox here: mail goes to the server in SMTP_URL")
	}
	return s.store, nil
}

// download answers with bytes from outside: a browser saves them, and runs nothing of them.
func download(w http.ResponseWriter, kind, disposition string, content []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Length", strconv.Itoa(len(content)))
	// The client may be gone; there is nobody left to tell.
	_, _ = w.Write(content)
}
