// Package capability is the other end of a plugin's files: it issues addresses that each stand for one file
// or one workspace for the time of a call, and serves them. Whoever has an address has that right and no
// other, so it tells nothing but what its holder knows already.
package capability

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/vault"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// Life is how long an address works: longer than any call, shorter than a copied one is useful.
const Life = 15 * time.Minute

// The uses of the tokens in the addresses.
const (
	useFile      = "file"
	useWorkspace = "workspace"
)

// The paths under Service's base that are followed by a token.
const (
	filePath      = "/c/"
	workspacePath = "/w/"
)

// maxAPI bounds a request to the workspace API in bytes; the content in it is base64.
const maxAPI = 8 << 20

// Scope is what an address is for: the files of an owner, for one step.
type Scope struct {
	Owner  string   `json:"owner"`
	Run    string   `json:"run"`
	Step   string   `json:"step"`
	Key    string   `json:"key"` // idempotency key of the step
	Labels []string `json:"labels,omitempty"`
}

func (s Scope) by() workspace.By {
	return workspace.By{Run: s.Run, Step: s.Step, Key: s.Key, Labels: s.Labels}
}

// grant is the data of a token.
type grant struct {
	Scope
	Path string `json:"path,omitempty"`
	Mode string `json:"mode,omitempty"`
}

// Service issues and serves addresses. It is safe for concurrent use.
type Service struct {
	store *workspace.Store
	vault *vault.Vault
	base  string
	now   func() time.Time
}

// New returns a service whose addresses begin with base, the URL under which it is reached.
func New(store *workspace.Store, v *vault.Vault, base string, now func() time.Time) *Service {
	return &Service{store: store, vault: v, base: strings.TrimRight(base, "/"), now: now}
}

// Grant issues the address of one file. The mode is plugin.ModeRead or plugin.ModeWrite.
func (s *Service) Grant(scope Scope, path, mode string) (plugin.Grant, error) {
	path, err := workspace.Clean(path)
	if err != nil {
		return plugin.Grant{}, err
	}
	switch mode {
	case plugin.ModeRead:
	case plugin.ModeWrite:
		if err := writable(scope, path); err != nil {
			return plugin.Grant{}, err
		}
	default:
		return plugin.Grant{}, fault.New(fault.Invalid, "want read or write, not %q", mode)
	}
	return plugin.Grant{URL: s.issue(useFile, filePath, grant{Scope: scope, Path: path, Mode: mode}), Mode: mode}, nil
}

// Workspace issues the address of the workspace API.
func (s *Service) Workspace(scope Scope) string {
	return s.issue(useWorkspace, workspacePath, grant{Scope: scope})
}

func (s *Service) issue(use, path string, g grant) string {
	data, err := json.Marshal(g)
	if err != nil {
		panic(err) // strings only
	}
	return s.base + path + s.vault.Issue(vault.Token{For: use, ID: g.Owner, Data: data, Expires: s.now().Add(Life).Unix()})
}

// writable refuses what a plugin may not change: the shared templates, and what shadows them. People put
// templates there.
func writable(scope Scope, path string) error {
	if workspace.Under(path, workspace.Templates) && scope.Owner != workspace.TemplatesOwner {
		return fault.New(fault.Forbidden, "%s is for reading; plugins do not change templates", path)
	}
	if workspace.Under(path, workspace.Trash) {
		return fault.New(fault.Forbidden, "%s is in the trash, where files come by deletion only", path)
	}
	return nil
}

// ServeHTTP serves the addresses.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if token, found := strings.CutPrefix(r.URL.Path, filePath); found {
		s.serveFile(w, r, token)
		return
	}
	if token, found := strings.CutPrefix(r.URL.Path, workspacePath); found {
		s.serveWorkspace(w, r, token)
		return
	}
	fault.Write(w, fault.New(fault.NotFound, "there is nothing at %.64q", r.URL.Path))
}

// redeem returns what a token is for.
func (s *Service) redeem(use, token string) (grant, error) {
	var g grant
	t, err := s.vault.Redeem(use, token, s.now())
	if err != nil {
		return g, err
	}
	if err := json.Unmarshal(t.Data, &g); err != nil {
		return g, fault.As(fault.Unauthorized, err, "the token has no grant")
	}
	return g, nil
}

// serveWorkspace answers one operation on the whole workspace.
func (s *Service) serveWorkspace(w http.ResponseWriter, r *http.Request, token string) {
	g, err := s.redeem(useWorkspace, token)
	if err == nil && r.Method != http.MethodPost {
		err = fault.New(fault.Invalid, "want POST")
	}
	if err != nil {
		fault.Write(w, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxAPI)
	var req plugin.WorkspaceRequest
	if err := fn.DecodeBody(r, &req); err != nil {
		fault.Write(w, err)
		return
	}
	reply, err := s.operate(r.Context(), g.Scope, req)
	if err != nil {
		fn.Fail(w, r, err)
		return
	}
	fn.Reply(w, http.StatusOK, reply)
}
