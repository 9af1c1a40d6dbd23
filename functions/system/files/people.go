package files

import (
	"cmp"
	"mime"
	"net/http"
	"path"
	"strconv"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/plugin/capability"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// owner returns whose workspace a request is about: the parameter owner, by default one's own. The
// principal may take the action there, or the request is refused.
func (s *service) owner(r *http.Request, action policy.Action) (policy.Principal, string, error) {
	p, err := gateway.Principal(s.env, Name, r, nil)
	if err != nil {
		return p, "", err
	}
	owner := cmp.Or(r.URL.Query().Get("owner"), p.User)
	return p, owner, policy.May(p, action, owner)
}

// list answers {"files":[…]} with what lies under ?path=.
func (s *service) list(w http.ResponseWriter, r *http.Request) {
	_, owner, err := s.owner(r, policy.See)
	if err != nil {
		fault.Write(w, err)
		return
	}
	found, err := s.store.List(r.Context(), owner, r.URL.Query().Get("path"))
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	if found == nil {
		found = []workspace.File{}
	}
	fn.Reply(w, http.StatusOK, map[string]any{"files": found})
}

// get answers with the bytes of ?path=, in ?version= or the current one. It is always a download: a page
// that somebody sent must not run as ours.
func (s *service) get(w http.ResponseWriter, r *http.Request) {
	_, owner, err := s.owner(r, policy.See)
	if err != nil {
		fault.Write(w, err)
		return
	}
	version, err := strconv.ParseInt(cmp.Or(r.URL.Query().Get("version"), "0"), 10, 64)
	if err != nil || version < 0 {
		fault.Write(w, fault.New(fault.Invalid, "not a number").At("version"))
		return
	}
	f, content, err := s.store.Read(r.Context(), owner, r.URL.Query().Get("path"), version)
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	defer content.Close()
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(f.Path)}))
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
	capability.Send(w, r, f, content)
}

// upload makes the body the newest version of ?path=.
func (s *service) upload(w http.ResponseWriter, r *http.Request) {
	p, owner, err := s.owner(r, policy.Act)
	if err != nil {
		fault.Write(w, err)
		return
	}
	o := workspace.Options{By: workspace.By{Run: "upload", Step: p.User}, Base: workspace.Any}
	f, err := s.store.Write(r.Context(), owner, r.URL.Query().Get("path"), r.Body, r.ContentLength, o)
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	fn.Reply(w, http.StatusOK, f)
}

// emptyTrash removes what lies in the trash, for good. What was deleted cannot be undone then.
func (s *service) emptyTrash(w http.ResponseWriter, r *http.Request) {
	_, owner, err := s.owner(r, policy.Act)
	if err != nil {
		fault.Write(w, err)
		return
	}
	removed, err := s.store.Sweep(r.Context(), owner, s.env.Now())
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	fn.Reply(w, http.StatusOK, map[string]int{"removed": removed})
}
