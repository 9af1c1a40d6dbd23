package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
)

// Cookie is the name of the page's session cookie. Its value is a user token.
const Cookie = "hearth_session"

type callerKey struct{}

// Signed refuses every call that is not signed for the function name, and puts the proven call into the
// context. /function/* is open on every gateway, so each function but the adapters stands behind it.
func Signed(env *fn.Env, name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := fn.ReadBody(r)
		if err != nil {
			fault.Write(w, err)
			return
		}
		call, err := verify(env, name, r, body)
		if err != nil {
			fault.Write(w, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, call))
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// Caller returns the proven call of a request that Signed let through.
func Caller(ctx context.Context) vault.Call {
	call, _ := ctx.Value(callerKey{}).(vault.Call)
	return call
}

func verify(env *fn.Env, name string, r *http.Request, body []byte) (vault.Call, error) {
	v, err := env.Vault()
	if err != nil {
		return vault.Call{}, err
	}
	return v.Verify(r.Header.Get(vault.CallHeader), name, body, env.Now())
}

// Principal returns who a request acts for: the principal of a call signed for the function name, else of
// the bearer token, else of the page's cookie. A cookie counts for changes only when the request comes
// from our own page. body is the request's whole body, which the signature covers.
func Principal(env *fn.Env, name string, r *http.Request, body []byte) (policy.Principal, error) {
	if r.Header.Get(vault.CallHeader) != "" {
		call, err := verify(env, name, r, body)
		return policy.Principal{User: call.User, Role: policy.Role(call.Role), Via: call.From}, err
	}
	if bearer, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found {
		return userOf(env, bearer, "token")
	}
	cookie, err := r.Cookie(Cookie)
	if err != nil {
		return policy.Principal{}, fault.New(fault.Unauthorized, "sign in first").Try("hearth user token NAME")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && !sameOrigin(r) {
		return policy.Principal{}, fault.New(fault.Forbidden, "this request comes from another site")
	}
	return userOf(env, cookie.Value, "cookie")
}

// Request is a request of somebody who is known.
type Request struct {
	*http.Request
	By   policy.Principal
	Body []byte
}

// Decode reads the body into v; no body leaves v as it is.
func (r Request) Decode(v any) error {
	if len(bytes.TrimSpace(r.Body)) == 0 {
		return nil
	}
	return fn.Decode(r.Body, v)
}

// SignedIn serves requests of people to the function name: it finds out who asks, and answers with what
// answer returns, as JSON. Who is not known is refused.
func SignedIn(env *fn.Env, name string, answer func(ctx context.Context, r Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := fn.ReadBody(r)
		if err != nil {
			fault.Write(w, err)
			return
		}
		by, err := Principal(env, name, r, body)
		if err != nil {
			fault.Write(w, err)
			return
		}
		out, err := answer(r.Context(), Request{r, by, body})
		if err != nil {
			fn.Fail(w, r, err)
			return
		}
		fn.Reply(w, http.StatusOK, out)
	}
}

func userOf(env *fn.Env, token, via string) (policy.Principal, error) {
	v, err := env.Vault()
	if err != nil {
		return policy.Principal{}, err
	}
	t, err := v.Redeem("user", token, env.Now())
	if err != nil {
		return policy.Principal{}, err
	}
	role := policy.Role(t.Role)
	if !role.Valid() || t.ID == "" {
		return policy.Principal{}, fault.New(fault.Unauthorized, "the token has no known role")
	}
	return policy.Principal{User: t.ID, Role: role, Via: via}, nil
}

// sameOrigin reports whether a browser says that the request comes from the host it goes to (Fetch
// Metadata; the Origin header for browsers without it).
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" || site == "none"
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	host := r.Header.Get("X-Forwarded-Host")
	if host == "" {
		host = r.Host
	}
	return err == nil && origin.Host != "" && origin.Host == host
}
