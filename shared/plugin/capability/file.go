package capability

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// serveFile answers for one file: GET reads it, PUT makes the step's one new version of it, DELETE takes
// that version back, and POST says what DELETE would do.
func (s *Service) serveFile(w http.ResponseWriter, r *http.Request, token string) {
	g, err := s.redeem(useFile, token)
	if err != nil {
		fault.Write(w, err)
		return
	}
	switch {
	case r.Method == http.MethodGet: // in both modes: an output may be an input, too
		err = s.get(w, r, g)
	case r.Method == http.MethodPut && g.Mode == plugin.ModeWrite:
		err = s.put(w, r, g)
	case r.Method == http.MethodPost && g.Mode == plugin.ModeWrite:
		err = s.look(w, r, g)
	case r.Method == http.MethodDelete && g.Mode == plugin.ModeWrite:
		err = s.revert(w, r, g)
	default:
		err = fault.New(fault.Forbidden, "this address is for %s, not for %s", g.Mode, r.Method)
	}
	if err != nil {
		fn.Fail(w, r, err)
	}
}

func (s *Service) get(w http.ResponseWriter, r *http.Request, g grant) error {
	f, content, err := s.store.Read(r.Context(), g.Owner, g.Path, workspace.Latest)
	if err != nil {
		return err
	}
	defer content.Close()
	Send(w, r, f, content)
	return nil
}

// Send answers with the content of a file, as a download that no browser runs. Content that turns out to
// be damaged breaks the connection: what was sent is short of the announced length.
func Send(w http.ResponseWriter, r *http.Request, f workspace.File, content io.Reader) {
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-store")
	h.Set(plugin.HashHeader, f.Hash)
	h.Set("Hearth-Version", strconv.FormatInt(f.Version, 10))
	if _, err := io.Copy(w, content); err != nil {
		if log := fn.Logger(r.Context(), nil); log != nil {
			log.Warn("a download broke off", "path", f.Path, "version", f.Version, "err", err)
		}
		panic(http.ErrAbortHandler)
	}
}

func (s *Service) put(w http.ResponseWriter, r *http.Request, g grant) error {
	f, err := s.store.Write(r.Context(), g.Owner, g.Path, r.Body, r.ContentLength, workspace.Options{By: g.by(), Base: workspace.Any})
	if err != nil {
		return err
	}
	fn.Reply(w, http.StatusOK, artifact(f))
	return nil
}

func (s *Service) revert(w http.ResponseWriter, r *http.Request, g grant) error {
	made, err := madeBy(r, g)
	if err != nil {
		return err
	}
	if err := s.store.Revert(r.Context(), g.Owner, g.Path, made, g.by()); err != nil {
		return err
	}
	fn.Reply(w, http.StatusOK, struct{}{})
	return nil
}

func (s *Service) look(w http.ResponseWriter, r *http.Request, g grant) error {
	made, err := madeBy(r, g)
	if err != nil {
		return err
	}
	back, err := s.store.Revertible(r.Context(), g.Owner, g.Path, made)
	if err != nil {
		return err
	}
	fn.Reply(w, http.StatusOK, plugin.Back(back))
	return nil
}

// madeBy is what a step made, as far as the request says.
func madeBy(r *http.Request, g grant) (workspace.Made, error) {
	version, err := strconv.ParseInt(r.URL.Query().Get("version"), 10, 64)
	if err != nil && r.URL.Query().Has("version") {
		return workspace.Made{}, fault.New(fault.Invalid, "not a number").At("version")
	}
	return workspace.Made{Version: version, Key: g.Key}, nil
}

func artifact(f workspace.File) plugin.Artifact {
	return plugin.Artifact{Path: f.Path, Version: f.Version, Hash: f.Hash, Size: f.Size, Type: f.Type}
}

// Artifacts returns versions of files in the form that travels in receipts.
func Artifacts(files []workspace.File) []plugin.Artifact {
	all := make([]plugin.Artifact, len(files))
	for i, f := range files {
		all[i] = artifact(f)
	}
	return all
}

// Revert takes back what a step made, newest first, as far as the artifacts of its receipt say.
func (s *Service) Revert(ctx context.Context, scope Scope, made []plugin.Artifact) error {
	for i := len(made) - 1; i >= 0; i-- {
		what := workspace.Made{Version: made[i].Version, Key: scope.Key}
		if err := s.store.Revert(ctx, scope.Owner, made[i].Path, what, scope.by()); err != nil {
			return fault.Wrap(err, "take back %s", made[i].Path)
		}
	}
	return nil
}
