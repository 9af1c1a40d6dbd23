package capability

import (
	"bytes"
	"context"
	"io"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// Bounds of one answer of the workspace API.
const (
	maxContent = 4 << 20 // bytes of a file that is read at once
	maxListed  = 1000    // files
)

// operate does one operation of the workspace API.
func (s *Service) operate(ctx context.Context, scope Scope, req plugin.WorkspaceRequest) (plugin.WorkspaceReply, error) {
	switch req.Op {
	case "read":
		return s.read(ctx, scope, req)
	case "stat":
		return one(s.store.Stat(ctx, scope.Owner, req.Path, req.Version))
	case "list":
		return s.list(ctx, scope, req.Path)
	case "made":
		f, found, err := s.store.Made(ctx, scope.Owner, req.Path, scope.Key)
		if err != nil || !found {
			return plugin.WorkspaceReply{}, err
		}
		return one(f, nil)
	case "revert":
		made := workspace.Made{Version: req.Version, Key: scope.Key}
		return plugin.WorkspaceReply{}, s.store.Revert(ctx, scope.Owner, req.Path, made, scope.by())
	case "applied":
		f, found, err := s.store.Applied(ctx, scope.Owner, req.Path, scope.Key)
		if err != nil || !found {
			return plugin.WorkspaceReply{}, err
		}
		return one(f, nil)
	case "revertible":
		back, err := s.store.Revertible(ctx, scope.Owner, req.Path, workspace.Made{Version: req.Version, Key: scope.Key})
		return plugin.WorkspaceReply{Back: (*plugin.Back)(&back)}, err
	default:
		return s.alter(ctx, scope, req)
	}
}

// alter does an operation that changes the workspace. Every path it changes must be writable.
func (s *Service) alter(ctx context.Context, scope Scope, req plugin.WorkspaceRequest) (plugin.WorkspaceReply, error) {
	target := req.Path
	if req.Op == "copy" || req.Op == "move" {
		target = req.To
	}
	if err := changeable(scope, target); err != nil {
		return plugin.WorkspaceReply{}, err
	}
	switch req.Op {
	case "write":
		o := workspace.Options{By: scope.by(), Base: req.Base}
		return one(s.store.Write(ctx, scope.Owner, req.Path, bytes.NewReader(req.Content), int64(len(req.Content)), o))
	case "copy":
		return one(s.store.Copy(ctx, scope.Owner, req.Path, req.To, scope.by()))
	case "move":
		if err := movable(scope, req.Path); err != nil {
			return plugin.WorkspaceReply{}, err
		}
		return one(s.store.Move(ctx, scope.Owner, req.Path, req.To, scope.by()))
	case "delete":
		return one(s.store.Trash(ctx, scope.Owner, req.Path, scope.by()))
	default:
		return plugin.WorkspaceReply{}, fault.New(fault.Invalid, "unknown operation %.32q", req.Op).At("op")
	}
}

// changeable is writable for a path as it was given.
func changeable(scope Scope, path string) error {
	path, err := workspace.Clean(path)
	if err != nil {
		return err
	}
	return writable(scope, path)
}

// movable is changeable, and lets files out of the trash.
func movable(scope Scope, path string) error {
	clean, err := workspace.Clean(path)
	if err != nil || workspace.Under(clean, workspace.Trash) {
		return err
	}
	return writable(scope, clean)
}

func (s *Service) read(ctx context.Context, scope Scope, req plugin.WorkspaceRequest) (plugin.WorkspaceReply, error) {
	f, content, err := s.store.Read(ctx, scope.Owner, req.Path, req.Version)
	if err != nil {
		return plugin.WorkspaceReply{}, err
	}
	defer content.Close()
	if f.Size > maxContent {
		return plugin.WorkspaceReply{}, fault.New(fault.TooLarge, "%s has %d bytes, over the %d that can be read at once", f.Path, f.Size, maxContent)
	}
	raw, err := io.ReadAll(content)
	if err != nil {
		return plugin.WorkspaceReply{}, err
	}
	a := artifact(f)
	return plugin.WorkspaceReply{File: &a, Content: raw}, nil
}

func (s *Service) list(ctx context.Context, scope Scope, folder string) (plugin.WorkspaceReply, error) {
	files, err := s.store.List(ctx, scope.Owner, folder)
	if err != nil {
		return plugin.WorkspaceReply{}, err
	}
	reply := plugin.WorkspaceReply{Truncated: len(files) > maxListed}
	reply.Files = Artifacts(files[:min(len(files), maxListed)])
	return reply, nil
}

func one(f workspace.File, err error) (plugin.WorkspaceReply, error) {
	if err != nil {
		return plugin.WorkspaceReply{}, err
	}
	a := artifact(f)
	return plugin.WorkspaceReply{File: &a}, nil
}
