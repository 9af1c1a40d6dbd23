package filemanager

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// Bounds of one answer.
const (
	maxLines = 2000
	maxText  = 256 << 10 // bytes
	maxFiles = 500
)

func read(c *plugin.Call, in In) (Out, error) {
	content, f, err := text(c, in.Path)
	if err != nil {
		return Out{}, err
	}
	lines := strings.SplitAfter(content, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	first := max(in.Offset, 1)
	out := Out{Path: f.Path, Version: f.Version, Size: f.Size, Line: first, Lines: len(lines)}
	rest := lines[min(first-1, len(lines)):]
	limit := maxLines
	if in.Limit > 0 {
		limit = min(in.Limit, maxLines)
	}
	shown := rest[:min(limit, len(rest))]
	out.Text, out.More = strings.Join(shown, ""), len(shown) < len(rest)
	if len(out.Text) > maxText {
		shown, out.Text = cut(shown)
		out.More = true
	}
	c.Summary(fmt.Sprintf("read %s: %d of %d lines", f.Path, len(shown), len(lines)), fmt.Sprintf("已读取 %s：%d/%d 行", f.Path, len(shown), len(lines)))
	return out, nil
}

// text returns a file's content, which must be text.
func text(c *plugin.Call, path string) (string, plugin.Artifact, error) {
	raw, f, err := c.Workspace().Read(path)
	if err != nil {
		return "", f, err
	}
	if !utf8.Valid(raw) || strings.ContainsRune(string(raw), 0) {
		return "", f, fault.New(fault.Failed, "%s is not a text file (%s)", f.Path, f.Type)
	}
	return string(raw), f, nil
}

// cut returns as many of lines as fit into an answer, or a part of the first one if it alone does not. All
// of them together do not fit.
func cut(lines []string) (shown []string, text string) {
	n, size := 0, len(lines[0])
	for size <= maxText {
		n++
		size += len(lines[n])
	}
	if n == 0 {
		return lines[:1], strings.ToValidUTF8(lines[0][:maxText], "")
	}
	return lines[:n], strings.Join(lines[:n], "")
}

func list(c *plugin.Call, in In) (Out, error) {
	files, more, err := c.Workspace().List(in.Path)
	if err != nil {
		return Out{}, err
	}
	limit := maxFiles
	if in.Limit > 0 {
		limit = min(in.Limit, maxFiles)
	}
	out := Out{Path: in.Path, More: more || len(files) > limit, Files: []Entry{}}
	for _, f := range files[:min(limit, len(files))] {
		out.Files = append(out.Files, Entry{Path: f.Path, Size: f.Size, Type: f.Type})
	}
	c.Summary(fmt.Sprintf("%d files in %s", len(files), in.Path), fmt.Sprintf("%s 中有 %d 个文件", in.Path, len(files)))
	return out, nil
}

func write(c *plugin.Call, in In) (Out, error) {
	return changed(c.Workspace().Write(in.Path, []byte(*in.Content), plugin.Whatever))
}

// edit replaces text in the version that it read. A second attempt would not find the text any more, so it
// first asks whether there was one.
func edit(c *plugin.Call, in In) (Out, error) {
	if f, done, err := c.Workspace().Made(in.Path); done || err != nil {
		return changed(f, err)
	}
	content, f, err := text(c, in.Path)
	if err != nil {
		return Out{}, err
	}
	n := strings.Count(content, in.OldText)
	if n == 0 {
		return Out{}, fault.New(fault.Failed, "%s does not contain the text", f.Path).At("params.old_text")
	}
	if n > 1 && !in.ReplaceAll {
		return Out{}, fault.New(fault.Failed, "%s contains the text %d times; give more of it, or replace_all", f.Path, n).At("params.old_text")
	}
	f, err = c.Workspace().Write(in.Path, []byte(strings.ReplaceAll(content, in.OldText, in.NewText)), f.Version)
	out, err := changed(f, err)
	out.Replaced = n
	return out, err
}

func move(c *plugin.Call, in In) (Out, error) {
	return changed(c.Workspace().Move(in.Path, in.To))
}

func duplicate(c *plugin.Call, in In) (Out, error) {
	return changed(c.Workspace().Copy(in.Path, in.To))
}

func remove(c *plugin.Call, in In) (Out, error) {
	return changed(c.Workspace().Delete(in.Path))
}

// changed is the result of a change.
func changed(f plugin.Artifact, err error) (Out, error) {
	return Out{Path: f.Path, Version: f.Version, Size: f.Size}, err
}
