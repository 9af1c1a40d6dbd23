// Package files is the function system-files: workspaces over HTTP. The bundle's functions ask it, signed,
// for capabilities and undos; plugins use the capabilities; people list, fetch and upload.
package files

import (
	"context"
	"net/http"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/plugin/capability"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// Name is the function's name.
const Name = "system-files"

// maxSigned bounds a signed call in bytes. Its signature covers the body, so all of it is read first.
const maxSigned = 16 << 20

// Function serves workspaces.
var Function = fn.Function{
	Name:    Name,
	Timeout: 5 * time.Minute, // for large files over slow lines
	MaxBody: workspace.DefaultLimits.File + 1<<10,
	New:     start,
}

// service is the function at work.
type service struct {
	env    *fn.Env
	store  *workspace.Store
	grants *capability.Service
}

func start(ctx context.Context, env *fn.Env) (http.Handler, error) {
	store, err := workspace.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	v, err := env.Vault()
	if err != nil {
		return nil, err
	}
	s := &service{env: env, store: store, grants: capability.New(store, v, gateway.Base(env)+"/function/"+Name, env.Now)}
	mux := http.NewServeMux()
	mux.Handle("POST /grant", s.signed(fn.JSON(s.grant)))
	mux.Handle("POST /revert", s.signed(fn.JSON(s.revert)))
	mux.Handle("POST /put", s.signed(fn.JSON(s.put)))
	mux.Handle("/c/", s.grants)
	mux.Handle("/w/", s.grants)
	mux.HandleFunc("GET /list", s.list)
	mux.HandleFunc("GET /get", s.get)
	mux.HandleFunc("PUT /upload", s.upload)
	mux.HandleFunc("DELETE /trash", s.emptyTrash)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fault.Write(w, fault.New(fault.NotFound, "there is no %s %.64s", r.Method, r.URL.Path))
	})
	return mux, nil
}

func (s *service) signed(next http.Handler) http.Handler {
	verified := gateway.Signed(s.env, Name, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxSigned)
		verified.ServeHTTP(w, r)
	})
}
