// Package auth is the system function that people sign in with: it turns a one-time link into the page's
// cookie, makes tokens for people and machines, and links chat identities to users.
package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// name is the function's name.
const name = "system-auth"

// Function is system-auth as hosts see it.
var Function = fn.Function{Name: name, MaxBody: 16 << 10, New: start}

// Lives of what is issued.
const (
	cookieLife   = 30 * 24 * time.Hour
	defaultToken = 90 // days
	longestToken = 366
)

// spaceUsers is where users are kept; spaceLinks is where unused sign-in links are.
const (
	spaceUsers = "users"
	spaceLinks = "links"
)

// userName is what a user may be called.
var userName = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,62}$`)

type handler struct {
	env    *fn.Env
	ledger *ledger.Ledger
	vault  *vault.Vault
}

// user is somebody who has, or had, a token.
type user struct {
	Name    string      `json:"user"`
	Role    policy.Role `json:"role"`
	Created time.Time   `json:"created"`
}

func start(ctx context.Context, env *fn.Env) (http.Handler, error) {
	h := &handler{env: env}
	var err error
	if h.ledger, err = ledger.Open(ctx, env); err != nil {
		return nil, err
	}
	if h.vault, err = env.Vault(); err != nil {
		return nil, err
	}
	signedIn := func(answer func(context.Context, gateway.Request) (any, error)) http.HandlerFunc {
		return gateway.SignedIn(env, name, answer)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /signin", h.signIn)
	mux.HandleFunc("POST /signout", h.signOut)
	mux.HandleFunc("GET /me", signedIn(h.me))
	mux.HandleFunc("POST /tokens", signedIn(h.newToken))
	mux.HandleFunc("GET /users", signedIn(h.users))
	mux.HandleFunc("POST /pair", signedIn(h.pair))
	return mux, nil
}

// signIn exchanges a one-time link's code, or a user token, for the page's cookie.
func (h *handler) signIn(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Code string `json:"code" validate:"required"`
	}
	if err := fn.DecodeBody(r, &in); err != nil {
		fault.Write(w, err)
		return
	}
	p, err := h.redeem(r.Context(), in.Code)
	if err != nil {
		fault.Write(w, err)
		return
	}
	token := h.issue(p.User, p.Role, h.env.Now().Add(cookieLife))
	http.SetCookie(w, &http.Cookie{
		Name: gateway.Cookie, Value: token, Path: "/", MaxAge: int(cookieLife.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.Header.Get("X-Forwarded-Proto") == "https",
	})
	fn.Reply(w, http.StatusOK, map[string]any{"user": p.User, "role": p.Role})
}

func (h *handler) redeem(ctx context.Context, code string) (policy.Principal, error) {
	now := h.env.Now()
	if t, err := h.vault.Redeem("user", code, now); err == nil {
		return policy.Principal{User: t.ID, Role: policy.Role(t.Role)}, nil
	}
	t, err := h.vault.Redeem("link", code, now)
	if err != nil {
		return policy.Principal{}, err
	}
	doc, err := h.ledger.Get(ctx, spaceLinks, t.ID)
	if err == nil {
		err = h.ledger.Delete(ctx, spaceLinks, t.ID, doc.Rev)
	}
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
		return policy.Principal{}, fault.New(fault.Unauthorized, "this sign-in link was used before, or is too old").Try("hearth user link")
	}
	if err != nil {
		return policy.Principal{}, err
	}
	return policy.Principal{User: string(doc.Body), Role: policy.Role(t.Role)}, nil
}

func (h *handler) issue(name string, role policy.Role, until time.Time) string {
	return h.vault.Issue(vault.Token{For: "user", ID: name, Role: string(role), Expires: until.Unix()})
}

func (h *handler) signOut(w http.ResponseWriter, _ *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: gateway.Cookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	fn.Reply(w, http.StatusOK, struct{}{})
}

func (h *handler) me(_ context.Context, r gateway.Request) (any, error) {
	return map[string]any{"user": r.By.User, "role": r.By.Role}, nil
}

// newToken makes a token for a person or a machine. Nobody can give more rights than they have.
func (h *handler) newToken(ctx context.Context, r gateway.Request) (any, error) {
	in := struct {
		User string      `json:"user" validate:"required"`
		Role policy.Role `json:"role"`
		Days int         `json:"days" validate:"min=0"`
		Link bool        `json:"link"` // a one-time sign-in link's code instead of a token
	}{}
	if err := fn.Decode(r.Body, &in); err != nil {
		return nil, err
	}
	in.Role, in.Days = cmp.Or(in.Role, policy.Member), cmp.Or(in.Days, defaultToken)
	switch {
	case !userName.MatchString(in.User):
		return nil, fault.New(fault.Invalid, "small letters, digits and . _ @ - only, at most 63").At("user")
	case !in.Role.Valid() || in.Role == policy.Guest:
		return nil, fault.New(fault.Invalid, "one of member, operator, admin, owner").At("role")
	case in.Days > longestToken:
		return nil, fault.New(fault.Invalid, "at most %d days", longestToken).At("days")
	}
	if err := policy.May(r.By, policy.Manage, ""); err != nil {
		return nil, err
	}
	if in.Role.Above(r.By.Role) {
		return nil, fault.New(fault.Forbidden, "you are %s and cannot make a token for %s", r.By.Role, in.Role)
	}
	if err := h.remember(ctx, user{in.User, in.Role, h.env.Now()}); err != nil {
		return nil, err
	}
	if in.Link {
		code, err := NewLink(ctx, h.ledger, h.vault, in.User, in.Role, h.env.Now())
		return map[string]string{"code": code}, err
	}
	until := h.env.Now().AddDate(0, 0, in.Days)
	return map[string]any{"token": h.issue(in.User, in.Role, until), "expires": until}, nil
}

func (h *handler) remember(ctx context.Context, u user) error {
	body, err := json.Marshal(u)
	if err != nil {
		return fault.As(fault.Internal, err, "the user %s", u.Name)
	}
	_, err = h.ledger.Put(ctx, spaceUsers, ledger.Doc{ID: u.Name, Rev: ledger.Any, Body: body}, 0)
	return err
}

func (h *handler) users(ctx context.Context, r gateway.Request) (any, error) {
	if err := policy.May(r.By, policy.Manage, ""); err != nil {
		return nil, err
	}
	docs, err := h.ledger.List(ctx, spaceUsers)
	if err != nil {
		return nil, err
	}
	list := make([]user, len(docs))
	for i, doc := range docs {
		if err := json.Unmarshal(doc.Body, &list[i]); err != nil {
			return nil, fault.As(fault.Internal, err, "the user %s cannot be read", doc.ID)
		}
	}
	slices.SortFunc(list, func(a, b user) int { return cmp.Compare(a.Name, b.Name) })
	return map[string]any{"users": list}, nil
}

// pair links the chat identity that a code was shown to with the one who says it here.
func (h *handler) pair(ctx context.Context, r gateway.Request) (any, error) {
	var in struct {
		Code string `json:"code" validate:"required,max=32"`
	}
	if err := fn.Decode(r.Body, &in); err != nil {
		return nil, err
	}
	if err := policy.May(r.By, policy.Act, ""); err != nil {
		return nil, err
	}
	who, err := channel.Pair(ctx, h.ledger, h.vault, in.Code, r.By.User, r.By.Role, h.env.Now())
	if err != nil {
		return nil, err
	}
	return map[string]any{"user": r.By.User, "role": r.By.Role, "platform": who.Platform, "sender": who.Sender, "name": who.Name}, nil
}
