package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Whatever is the base version of a Write that replaces any content.
const Whatever = -1

// WorkspaceRequest is the body of a call to the workspace API of system-files, the capability in
// Request.Workspace.
type WorkspaceRequest struct {
	Op      string `json:"op"` // read, stat, list, made, write, move, copy, delete, revert, revertible, applied
	Path    string `json:"path"`
	To      string `json:"to,omitempty"`      // move, copy
	Version int64  `json:"version,omitempty"` // read: which, 0 for the current one; revert: the version the step made, 0 for any
	Base    int64  `json:"base,omitempty"`    // write: the version it replaces, 0 for none, Whatever for any
	Content []byte `json:"content,omitempty"` // write
}

// WorkspaceReply is the answer of the workspace API.
type WorkspaceReply struct {
	File      *Artifact  `json:"file,omitempty"`
	Content   []byte     `json:"content,omitempty"`
	Files     []Artifact `json:"files,omitempty"`
	Truncated bool       `json:"truncated,omitempty"` // there are more files
	Back      *Back      `json:"back,omitempty"`      // revertible
}

// Back is what taking back a file would bring: the state of this version at the path, or no file there.
type Back struct {
	Path    string `json:"path"`
	Version int64  `json:"version,omitempty"` // 0: no file
	Nothing bool   `json:"nothing,omitempty"` // there is nothing to take back
}

// words says what would happen, in a line.
func (b Back) words() (en, zh string) {
	switch {
	case b.Nothing:
		return "nothing to take back at " + b.Path, b.Path + " 没有需要撤销的内容"
	case b.Version == 0:
		return "would remove " + b.Path, "将移除 " + b.Path
	default:
		return fmt.Sprintf("would bring back version %d of %s", b.Version, b.Path), fmt.Sprintf("将恢复 %s 的版本 %d", b.Path, b.Version)
	}
}

// Workspace reaches the caller's whole workspace, for a plugin with the grant files:"workspace". What it
// makes is part of the step's receipt. In a dry run it changes nothing.
type Workspace struct{ call *Call }

// Workspace returns the client of the workspace API.
func (c *Call) Workspace() *Workspace { return &Workspace{call: c} }

// Read returns the current version of a file and its content, up to 4 MiB.
func (w *Workspace) Read(path string) ([]byte, Artifact, error) {
	reply, err := w.do(WorkspaceRequest{Op: "read", Path: path})
	return reply.Content, first(reply), err
}

// Stat returns the current version of a file.
func (w *Workspace) Stat(path string) (Artifact, error) {
	reply, err := w.do(WorkspaceRequest{Op: "stat", Path: path})
	return first(reply), err
}

// Made returns what an earlier attempt of this step made at path, and false if there was none or it was
// taken back. A step that computes its change from the current content asks this first.
func (w *Workspace) Made(path string) (Artifact, bool, error) {
	reply, err := w.do(WorkspaceRequest{Op: "made", Path: path})
	if err != nil || reply.File == nil {
		return Artifact{}, false, err
	}
	w.call.made = append(w.call.made, first(reply))
	return first(reply), true, nil
}

// Applied is Made for a step of which nobody knows whether it happened: it finds what the step made also
// where somebody moved it since, and what it deleted in the trash.
func (w *Workspace) Applied(path string) (Artifact, bool, error) {
	reply, err := w.do(WorkspaceRequest{Op: "applied", Path: path})
	if err != nil || reply.File == nil {
		return Artifact{}, false, err
	}
	w.call.made = append(w.call.made, first(reply))
	return first(reply), true, nil
}

// List returns the current versions of the files under a folder, by path, and whether there are more.
func (w *Workspace) List(folder string) ([]Artifact, bool, error) {
	reply, err := w.do(WorkspaceRequest{Op: "list", Path: folder})
	return reply.Files, reply.Truncated, err
}

// Write makes a new version of a file if base is the current one: 0 for a new file, Whatever to replace
// any. It is Conflict otherwise.
func (w *Workspace) Write(path string, content []byte, base int64) (Artifact, error) {
	return w.change(WorkspaceRequest{Op: "write", Path: path, Content: content, Base: base})
}

// Move gives a file another path, where there is none. Its versions go with it.
func (w *Workspace) Move(from, to string) (Artifact, error) {
	return w.change(WorkspaceRequest{Op: "move", Path: from, To: to})
}

// Copy makes a file with the content of another, where there is none.
func (w *Workspace) Copy(from, to string) (Artifact, error) {
	return w.change(WorkspaceRequest{Op: "copy", Path: from, To: to})
}

// Delete moves a file to the trash and returns where it lies there.
func (w *Workspace) Delete(path string) (Artifact, error) {
	return w.change(WorkspaceRequest{Op: "delete", Path: path})
}

// Revert takes back what this step did at path (for a move or copy its target, for a delete the path
// before or in the trash). It tolerates that nothing was done and a second call, and is Conflict when
// somebody changed the file since. Version is the one that the step made, 0 when that is unknown.
// In a dry run it only looks, with the same errors, and its summary is what would happen.
func (w *Workspace) Revert(path string, version int64) error {
	if w.call.DryRun {
		reply, err := w.do(WorkspaceRequest{Op: "revertible", Path: path, Version: version})
		if err == nil && reply.Back != nil {
			w.call.Summary(reply.Back.words())
		}
		return err
	}
	_, err := w.do(WorkspaceRequest{Op: "revert", Path: path, Version: version})
	return err
}

// change does what alters the workspace, and remembers it for the receipt.
func (w *Workspace) change(req WorkspaceRequest) (Artifact, error) {
	if w.call.DryRun {
		return Artifact{Path: req.Path}, nil
	}
	reply, err := w.do(req)
	if err != nil {
		return Artifact{}, err
	}
	w.call.made = append(w.call.made, first(reply))
	return first(reply), nil
}

func (w *Workspace) do(req WorkspaceRequest) (WorkspaceReply, error) {
	var reply WorkspaceReply
	if w.call.request.Workspace == "" {
		return reply, fault.New(fault.Forbidden, "%s is not granted the workspace", w.call.host.manifest.ID)
	}
	body, err := json.Marshal(req)
	if err != nil {
		return reply, fault.As(fault.Internal, err, "encode a call of the workspace")
	}
	resp, err := w.call.send(http.MethodPost, w.call.request.Workspace, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return reply, err
	}
	return reply, answer(resp, &reply)
}

func first(reply WorkspaceReply) Artifact {
	if reply.File == nil {
		return Artifact{}
	}
	return *reply.File
}
