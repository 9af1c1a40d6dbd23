// Package filemanager is the plugin file_manager: it reads, writes, edits, moves, copies, deletes and lists
// the files of its caller's workspace. Everything that it changes can be taken back.
package filemanager

import (
	"slices"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// In are the parameters.
type In struct {
	Op         string  `json:"op" jsonschema:"what to do; an existing file is replaced by write only, and deleted files go to the trash"`
	Path       string  `json:"path" jsonschema:"the file, or the folder to list; / is the root of the workspace"`
	To         string  `json:"to,omitempty" jsonschema:"move and copy: the new path, where there is no file yet"`
	Content    *string `json:"content,omitempty" jsonschema:"write: the whole text of the file"`
	OldText    string  `json:"old_text,omitempty" jsonschema:"edit: the text to replace, exactly as it stands in the file"`
	NewText    string  `json:"new_text,omitempty" jsonschema:"edit: what to put there; empty removes the text"`
	ReplaceAll bool    `json:"replace_all,omitempty" jsonschema:"edit: replace every occurrence instead of the only one"`
	Offset     int     `json:"offset,omitempty" jsonschema:"read: the first line, from 1"`
	Limit      int     `json:"limit,omitempty" jsonschema:"read: how many lines at most; list: how many files at most"`
}

// Out is the result. Which fields it has depends on the operation.
type Out struct {
	Path     string  `json:"path"`               // where the file is now
	Version  int64   `json:"version,omitempty"`  // of the file
	Size     int64   `json:"size,omitempty"`     // bytes
	Text     string  `json:"text,omitempty"`     // read: the lines
	Line     int     `json:"line,omitempty"`     // read: the first of them
	Lines    int     `json:"lines,omitempty"`    // read: how many the file has
	Replaced int     `json:"replaced,omitempty"` // edit: occurrences
	Files    []Entry `json:"files,omitempty"`    // list
	More     bool    `json:"more,omitempty"`     // read, list: there is more than the limit let through
}

// Entry is a file in a list.
type Entry struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	Type string `json:"type,omitempty"`
}

// operation is one value of op.
type operation struct {
	effect         manifest.Effect
	do             func(c *plugin.Call, in In) (Out, error)
	takes          []string // parameters besides path that it reads
	verb, past, zh string
}

// operations are all values of op.
var operations = map[string]operation{
	"read":   {manifest.Read, read, []string{"offset", "limit"}, "read", "read", "读取"},
	"list":   {manifest.Read, list, []string{"limit"}, "list", "listed", "列出"},
	"write":  {manifest.Compensable, write, []string{"content"}, "write", "wrote", "写入"},
	"edit":   {manifest.Compensable, edit, []string{"old_text", "new_text", "replace_all"}, "edit", "edited", "修改"},
	"move":   {manifest.Compensable, move, []string{"to"}, "move", "moved", "移动"},
	"copy":   {manifest.Compensable, duplicate, []string{"to"}, "copy", "copied", "复制"},
	"delete": {manifest.Compensable, remove, nil, "delete", "deleted", "删除"},
}

// Function manages files.
var Function = plugin.Define(plugin.Spec{
	ID:      "file_manager",
	Title:   manifest.Phrase{En: "Manage files", Zh: "管理文件"},
	Summary: "Reads, writes, edits, moves, copies, deletes and lists files in the user's workspace; every change can be undone.",
	Effect:  manifest.Compensable,
	Ops:     effects(),
	Grants:  manifest.Grants{Files: plugin.FilesWorkspace},
	Labels:  []string{"external"}, // a file may hold what somebody else wrote
	Control: []string{"path", "to"},
	Intent: manifest.Intent{
		Phrases: []string{
			"list files", "list the files", "show files", "what files", "read the file", "open the file", "write a file", "edit the file",
			"rename", "move the file", "copy the file", "delete the file",
			"列出文件", "文件列表", "有哪些文件", "查看文件", "读取文件", "打开文件", "写入文件", "修改文件", "编辑文件", "重命名", "移动文件", "复制文件", "删除文件",
		},
		Slots: []manifest.Slot{{
			Param: "path", Kind: "path", Ask: manifest.Phrase{En: "Which file or folder?", Zh: "哪个文件或文件夹？"},
		}},
		Example: map[string]any{"op": "list", "path": "/"},
		Order:   20,
	},
	Version: "1",
}, do, plugin.Undo(undo), plugin.Preview(), plugin.Reconcile(made))

func effects() map[string]manifest.Op {
	ops := map[string]manifest.Op{}
	for name, o := range operations {
		ops[name] = manifest.Op{Effect: o.effect, Undo: o.effect == manifest.Compensable}
	}
	return ops
}

// do runs an operation. In a dry run it only says which one: a file that it needs may be the work of an
// earlier step, which did not run either.
func do(c *plugin.Call, in In) (Out, error) {
	o := operations[in.Op]
	if err := fits(in, o); err != nil {
		return Out{}, err
	}
	if c.DryRun {
		c.Summary("would "+o.verb+" "+in.english(), "将"+o.zh+" "+in.chinese())
		return Out{Path: in.Path}, nil
	}
	out, err := o.do(c, in)
	if err == nil && o.effect != manifest.Read {
		c.Summary(o.past+" "+in.english(), "已"+o.zh+" "+in.chinese())
	}
	return out, err
}

// made returns what the step made, as the workspace keeps it under its key; nil if it made nothing.
func made(c *plugin.Call, in In) (*Out, error) {
	path := in.Path
	if in.Op == "move" || in.Op == "copy" {
		path = in.To
	}
	f, found, err := c.Workspace().Applied(path)
	if err != nil || !found {
		return nil, err
	}
	o := operations[in.Op]
	c.Summary(o.past+" "+in.english(), "已"+o.zh+" "+in.chinese())
	return &Out{Path: f.Path, Version: f.Version, Size: f.Size}, nil
}

// undo takes back what the receipt says the step made or, without one, whatever the step made.
func undo(c *plugin.Call, in In, out *Out) error {
	o := operations[in.Op]
	if o.effect == manifest.Read {
		return nil
	}
	path, version := in.Path, int64(0)
	if in.Op == "move" || in.Op == "copy" {
		path = in.To
	}
	if out != nil {
		path, version = out.Path, out.Version
	}
	if err := c.Workspace().Revert(path, version); err != nil || c.DryRun {
		return err
	}
	c.Summary("took back: "+o.verb+" "+in.english(), "已撤销"+o.zh+" "+in.chinese())
	return nil
}

// fits refuses parameters that the operation lacks or would ignore.
func fits(in In, o operation) error {
	for _, p := range []struct {
		name        string
		given, must bool
	}{
		{"to", in.To != "", true},
		{"content", in.Content != nil, true},
		{"old_text", in.OldText != "", true},
		{"new_text", in.NewText != "", false},
		{"replace_all", in.ReplaceAll, false},
		{"offset", in.Offset != 0, false},
		{"limit", in.Limit != 0, false},
	} {
		takes := slices.Contains(o.takes, p.name)
		if takes && p.must && !p.given {
			return fault.New(fault.Invalid, "%s needs it", in.Op).At("params." + p.name)
		}
		if !takes && p.given {
			return fault.New(fault.Invalid, "%s does not take it", in.Op).At("params." + p.name)
		}
	}
	if in.Offset < 0 || in.Limit < 0 {
		return fault.New(fault.Invalid, "offset and limit are positive numbers").At("params")
	}
	return nil
}

// english names what an operation is about.
func (in In) english() string {
	if in.To != "" {
		return in.Path + " to " + in.To
	}
	return in.Path
}

func (in In) chinese() string {
	if in.To != "" {
		return in.Path + " 到 " + in.To
	}
	return in.Path
}
