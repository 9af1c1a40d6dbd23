package files

import (
	"bytes"
	"context"
	"errors"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/capability"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// GrantRequest asks for the files of one step, by path: read or write.
type GrantRequest struct {
	Owner     string            `json:"owner" validate:"required"`
	Run       string            `json:"run" validate:"required"`
	Step      string            `json:"step" validate:"required"`
	Key       string            `json:"key" validate:"required"`
	Labels    []string          `json:"labels,omitempty" validate:"max=32"` // put on what the step writes
	Files     map[string]string `json:"files,omitempty" validate:"max=256"`
	Workspace bool              `json:"workspace,omitempty"` // the whole workspace, too
}

// GrantReply has the capabilities for a plugin's Request: files by the path as it was asked for.
type GrantReply struct {
	Files     map[string]plugin.Grant `json:"files,omitempty"`
	Workspace string                  `json:"workspace,omitempty"`
}

func (s *service) grant(_ context.Context, in GrantRequest) (GrantReply, error) {
	scope := capability.Scope{Owner: in.Owner, Run: in.Run, Step: in.Step, Key: in.Key, Labels: in.Labels}
	out := GrantReply{Files: map[string]plugin.Grant{}}
	for path, mode := range in.Files {
		g, err := s.grants.Grant(scope, path, mode)
		if err != nil {
			return GrantReply{}, at(err, path)
		}
		out.Files[path] = g
	}
	if in.Workspace {
		out.Workspace = s.grants.Workspace(scope)
	}
	return out, nil
}

// RevertRequest takes back what the step with this key made, by the artifacts of its receipt. It may be
// repeated. Conflict: a file was changed since.
type RevertRequest struct {
	Owner     string            `json:"owner" validate:"required"`
	Run       string            `json:"run,omitempty"`
	Step      string            `json:"step,omitempty"`
	Key       string            `json:"key" validate:"required"`
	Artifacts []plugin.Artifact `json:"artifacts" validate:"max=256"` // Version 0: it is not known whether there is one
}

func (s *service) revert(ctx context.Context, in RevertRequest) (struct{}, error) {
	scope := capability.Scope{Owner: in.Owner, Run: in.Run, Step: in.Step, Key: in.Key}
	return struct{}{}, s.grants.Revert(ctx, scope, in.Artifacts)
}

// PutRequest writes a small file, such as one that came with a message. With a key it may be repeated.
type PutRequest struct {
	Owner   string   `json:"owner" validate:"required"`
	Path    string   `json:"path" validate:"required"`
	Content []byte   `json:"content"`
	Run     string   `json:"run,omitempty"`
	Step    string   `json:"step,omitempty"`
	Key     string   `json:"key,omitempty"`
	Labels  []string `json:"labels,omitempty" validate:"max=32"`
	Keep    bool     `json:"keep,omitempty"` // leave a file that is there already as it is: Conflict
}

func (s *service) put(ctx context.Context, in PutRequest) (workspace.File, error) {
	o := workspace.Options{By: workspace.By{Run: in.Run, Step: in.Step, Key: in.Key, Labels: in.Labels}, Base: workspace.Any}
	if in.Keep {
		o.Base = workspace.Absent
	}
	return s.store.Write(ctx, in.Owner, in.Path, bytes.NewReader(in.Content), int64(len(in.Content)), o)
}

// at names the path that an error is about.
func at(err error, path string) error {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.At("files[" + path + "]")
	}
	return err
}
