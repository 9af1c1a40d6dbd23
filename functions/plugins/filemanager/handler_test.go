package filemanager_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hearthfaas/hearth/functions/plugins/filemanager"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/plugintest"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// result wants a part of the result's JSON.
func result(part string) func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
	return func(t *testing.T, _ *plugintest.Host, resp plugin.Response) {
		t.Helper()
		if !strings.Contains(string(resp.Result), part) {
			t.Errorf("%s, want %s", resp.Result, part)
		}
	}
}

// now wants content in the workspace afterwards.
func now(path, content string) func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
	return func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
		t.Helper()
		if got := h.Read(path); got != content {
			t.Errorf("%s is %q, want %q", path, got, content)
		}
		if len(resp.Files) != 1 {
			t.Errorf("the receipt names %d files", len(resp.Files))
		}
	}
}

func shared(_ *testing.T, h *plugintest.Host) {
	h.PutAs(workspace.TemplatesOwner, "/templates/offer.md", "shared")
}

func TestSuite(t *testing.T) {
	notes := map[string]string{"/notes.md": "one\ntwo\nthree\n", "/dir/b.txt": "b"}
	plugintest.Run(t, filemanager.Function,
		plugintest.Case{Name: "read", Params: `{"op":"read","path":"/notes.md"}`, Files: notes, Check: result(`"text":"one\ntwo\nthree\n","line":1,"lines":3}`)},
		plugintest.Case{Name: "read some lines", Params: `{"op":"read","path":"notes.md","offset":2,"limit":1}`, Files: notes, Check: result(`"text":"two\n","line":2,"lines":3,"more":true`)},
		plugintest.Case{Name: "read behind the end", Params: `{"op":"read","path":"/notes.md","offset":9}`, Files: notes, Check: result(`"line":9,"lines":3}`)},
		plugintest.Case{Name: "read a template", Params: `{"op":"read","path":"/templates/offer.md"}`, Setup: shared, Check: result(`"text":"shared"`)},
		plugintest.Case{Name: "list", Params: `{"op":"list","path":"/"}`, Files: notes, Lang: "zh", Check: func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
			result(`"files":[{"path":"/dir/b.txt","size":1,"type":"text/plain; charset=utf-8"},{"path":"/notes.md"`)(t, h, resp)
			if resp.Summary != "/ 中有 2 个文件" {
				t.Error(resp.Summary)
			}
		}},
		plugintest.Case{Name: "list a folder", Params: `{"op":"list","path":"dir","limit":1}`, Files: notes, Check: result(`"files":[{"path":"/dir/b.txt"`)},
		plugintest.Case{Name: "list nothing", Params: `{"op":"list","path":"/none"}`, Check: result(`{"path":"/none"}`)},
		plugintest.Case{Name: "write a new file", Params: `{"op":"write","path":"new/报告.md","content":"# 报告"}`, Check: now("/new/报告.md", "# 报告")},
		plugintest.Case{Name: "write an empty file", Params: `{"op":"write","path":"/empty","content":""}`, Check: now("/empty", "")},
		plugintest.Case{Name: "overwrite", Params: `{"op":"write","path":"/notes.md","content":"new"}`, Files: notes, Check: now("/notes.md", "new")},
		plugintest.Case{Name: "edit", Params: `{"op":"edit","path":"/notes.md","old_text":"two","new_text":"2"}`, Files: notes, Check: now("/notes.md", "one\n2\nthree\n")},
		plugintest.Case{Name: "edit all", Params: `{"op":"edit","path":"/notes.md","old_text":"e","new_text":"","replace_all":true}`, Files: notes, Check: now("/notes.md", "on\ntwo\nthr\n")},
		plugintest.Case{Name: "move", Params: `{"op":"move","path":"/notes.md","to":"/old/notes.md"}`, Files: notes, Check: now("/old/notes.md", notes["/notes.md"])},
		plugintest.Case{Name: "copy", Params: `{"op":"copy","path":"/notes.md","to":"/copy.md"}`, Files: notes, Check: now("/copy.md", notes["/notes.md"])},
		plugintest.Case{Name: "copy a template", Params: `{"op":"copy","path":"/templates/offer.md","to":"/offer.md"}`, Setup: shared, Check: now("/offer.md", "shared")},
		plugintest.Case{Name: "delete", Params: `{"op":"delete","path":"/notes.md"}`, Files: notes, Check: func(t *testing.T, h *plugintest.Host, resp plugin.Response) {
			if strings.Contains(h.Workspace(), "notes") || resp.Summary != "deleted /notes.md" {
				t.Errorf("%q %q", h.Workspace(), resp.Summary)
			}
			now(resp.Files[0].Path, notes["/notes.md"])(t, h, resp)
		}},

		plugintest.Case{Name: "read what is not there", Params: `{"op":"read","path":"/none"}`, Fails: fault.NotFound},
		plugintest.Case{Name: "read no text", Params: `{"op":"read","path":"/bin"}`, Files: map[string]string{"/bin": "\x00\xff"}, Fails: fault.Failed},
		plugintest.Case{Name: "edit what is not in it", Params: `{"op":"edit","path":"/notes.md","old_text":"four"}`, Files: notes, Fails: fault.Failed},
		plugintest.Case{Name: "edit what is in it twice", Params: `{"op":"edit","path":"/notes.md","old_text":"t"}`, Files: notes, Fails: fault.Failed},
		plugintest.Case{Name: "move onto a file", Params: `{"op":"move","path":"/notes.md","to":"/dir/b.txt"}`, Files: notes, Fails: fault.Conflict},
		plugintest.Case{Name: "copy onto a file", Params: `{"op":"copy","path":"/notes.md","to":"/dir/b.txt"}`, Files: notes, Fails: fault.Conflict},
		plugintest.Case{Name: "delete what is not there", Params: `{"op":"delete","path":"/none"}`, Fails: fault.NotFound},
		plugintest.Case{Name: "move without to", Params: `{"op":"move","path":"/notes.md"}`, Files: notes, Fails: fault.Invalid},
		plugintest.Case{Name: "write without content", Params: `{"op":"write","path":"/notes.md"}`, Files: notes, Fails: fault.Invalid},
		plugintest.Case{Name: "delete with to", Params: `{"op":"delete","path":"/notes.md","to":"/x"}`, Files: notes, Fails: fault.Invalid},
		plugintest.Case{Name: "an unknown operation", Params: `{"op":"chmod","path":"/notes.md"}`, Files: notes, Fails: fault.Invalid},
		plugintest.Case{Name: "a negative line", Params: `{"op":"read","path":"/notes.md","offset":-1}`, Files: notes, Fails: fault.Invalid},
	)
}

// TestNoEscape tries to get out of the workspace with every operation.
func TestNoEscape(t *testing.T) {
	h := plugintest.Open(t, filemanager.Function)
	h.Put("/mine.txt", "mine")
	h.PutAs("other", "/theirs.txt", "theirs")
	h.PutAs(workspace.TemplatesOwner, "/templates/t.txt", "shared")
	h.PutAs(workspace.TemplatesOwner, "/private.txt", "not a template")
	before := h.Workspace()
	paths := []string{
		"../other/theirs.txt", "/../other/theirs.txt", "..", "/..", "/a/../../other/theirs.txt", "./../x", "/", "",
		"\\..\\other\\theirs.txt", "/..\\x", "/\x00/../x", "/mine.txt\x00.png", "．．/other/theirs.txt", "/\u2025/x", "..\u2215x/\u202e",
		"/%2e%2e\x01", "/a\u200b", "/e\u0301", strings.Repeat("../", 500), "/" + strings.Repeat("a/", 70) + "b", "/" + strings.Repeat("x", 300),
		"\ufeff/mine.txt", " /mine.txt", "/mine.txt ", "//",
	}
	for _, path := range paths {
		for _, params := range []map[string]any{
			{"op": "read", "path": path},
			{"op": "write", "path": path, "content": "x"},
			{"op": "edit", "path": path, "old_text": "m", "new_text": "x"},
			{"op": "delete", "path": path},
			{"op": "move", "path": path, "to": "/taken"},
			{"op": "move", "path": "/mine.txt", "to": path},
			{"op": "copy", "path": path, "to": "/taken"},
			{"op": "copy", "path": "/mine.txt", "to": path},
		} {
			if err := try(t, h, params); !fault.Is(err, fault.Invalid) {
				t.Errorf("%v: %v", params, err)
			}
		}
	}
	// These are names like any other, and lead to nobody else's files.
	for _, path := range []string{
		"/etc/passwd", "/theirs.txt", "/other/theirs.txt", "files/other/theirs.txt", "file:///etc/passwd", "//host/share", "C:/x", "~/x",
		"/private.txt", "/templates2/t.txt", "/usage", "usage", "/.trash2/x", "%2e%2e/x",
	} {
		if err := try(t, h, map[string]any{"op": "read", "path": path}); !fault.Is(err, fault.NotFound) {
			t.Errorf("read %q: %v", path, err)
		}
	}
	if after := h.Workspace(); after != before {
		t.Errorf("the workspace was\n%s\nand is\n%s", before, after)
	}
}

// TestTemplatesAreForReading: no operation changes a template, the caller's own included.
func TestTemplatesAreForReading(t *testing.T) {
	h := plugintest.Open(t, filemanager.Function)
	h.Put("/mine.txt", "mine")
	h.Put("/templates/own.txt", "own")
	h.PutAs(workspace.TemplatesOwner, "/templates/t.txt", "shared")
	before := h.Workspace()
	for _, path := range []string{"/templates/t.txt", "templates/t.txt", "/templates/./t.txt", "//templates//t.txt", "/templates/new.txt", "/templates/own.txt", "/templates", "/.trash/x"} {
		for _, params := range []map[string]any{
			{"op": "write", "path": path, "content": "x"},
			{"op": "delete", "path": path},
			{"op": "move", "path": path, "to": "/taken"},
			{"op": "move", "path": "/mine.txt", "to": path},
			{"op": "copy", "path": "/mine.txt", "to": path},
		} {
			err := try(t, h, params)
			away := path == "/.trash/x" && params["op"] == "move" && params["path"] == path // there is nothing to fetch
			if !fault.Is(err, fault.Forbidden) && (!away || !fault.Is(err, fault.NotFound)) {
				t.Errorf("%v: %v", params, err)
			}
		}
	}
	if after := h.Workspace(); after != before {
		t.Errorf("the workspace was\n%s\nand is\n%s", before, after)
	}
}

func TestDeletedFileComesBack(t *testing.T) {
	h := plugintest.Open(t, filemanager.Function)
	h.Put("/a.txt", "a")
	h.Key = "delete"
	resp, err := h.Do(`{"op":"delete","path":"/a.txt"}`)
	if err != nil {
		t.Fatal(err)
	}
	h.Key = "restore"
	if err := try(t, h, map[string]any{"op": "move", "path": resp.Files[0].Path, "to": "/b.txt"}); err != nil || h.Read("/b.txt") != "a" {
		t.Fatal(err)
	}
	h.Key = "delete"
	if err := h.Undo(`{"op":"delete","path":"/a.txt"}`, &resp); !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Text(err), "/b.txt") {
		t.Fatalf("the undo of a deletion that somebody else took back: %v", err)
	}
}

// TestUndoRefusesAfterAChange: what the step made is not there any more, so nothing is taken back.
func TestUndoRefusesAfterAChange(t *testing.T) {
	for params, changed := range map[string]string{
		`{"op":"write","path":"/new.txt","content":"x"}`:              "/new.txt",
		`{"op":"write","path":"/a.txt","content":"x"}`:                "/a.txt",
		`{"op":"edit","path":"/a.txt","old_text":"a","new_text":"b"}`: "/a.txt",
		`{"op":"move","path":"/a.txt","to":"/b.txt"}`:                 "/b.txt",
		`{"op":"move","path":"/a.txt","to":"/c.txt"}`:                 "/a.txt",
		`{"op":"copy","path":"/a.txt","to":"/b.txt"}`:                 "/b.txt",
		`{"op":"delete","path":"/a.txt"}`:                             "/a.txt",
	} {
		h := plugintest.Open(t, filemanager.Function)
		h.Put("/a.txt", "a")
		resp, err := h.Do(params)
		if err != nil {
			t.Fatal(err)
		}
		h.Put(changed, "by somebody else")
		before := h.Workspace()
		for _, receipt := range []*plugin.Response{&resp, nil} {
			if err := h.Undo(params, receipt); !fault.Is(err, fault.Conflict) {
				t.Errorf("%s: %v", params, err)
			}
		}
		if after := h.Workspace(); after != before {
			t.Errorf("%s: the workspace was\n%s\nand is\n%s", params, before, after)
		}
	}
}

// TestConcurrentMoves: of many moves of a file one succeeds; nothing is lost or doubled.
func TestConcurrentMoves(t *testing.T) {
	h := plugintest.Open(t, filemanager.Function)
	h.Put("/a.txt", "a")
	requests := make([]plugin.Request, 6)
	for i := range requests {
		h.Key = fmt.Sprint("move-", i)
		requests[i] = h.Request(plugin.OpDo, fmt.Sprintf(`{"op":"move","path":"/a.txt","to":"/to-%d.txt"}`, i))
	}
	var all sync.WaitGroup
	errs := make([]error, len(requests))
	for i, req := range requests {
		all.Go(func() { _, errs[i] = h.Send(req) })
	}
	all.Wait()
	moved := 0
	for _, err := range errs {
		if err == nil {
			moved++
		} else if !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
	}
	if moved != 1 || strings.Count(h.Workspace(), "\n") != 1 {
		t.Fatalf("%d moves succeeded:\n%s", moved, h.Workspace())
	}
}

func TestLongAnswersAreCut(t *testing.T) {
	h := plugintest.Open(t, filemanager.Function)
	h.Put("/long.txt", strings.Repeat("a line of text\n", 5000))
	h.Put("/wide.txt", strings.Repeat("宽", 200_000))
	for params, want := range map[string]string{
		`{"op":"read","path":"/long.txt"}`:              `"lines":5000,"more":true`,
		`{"op":"read","path":"/long.txt","limit":9999}`: `"lines":5000,"more":true`,
		`{"op":"read","path":"/wide.txt"}`:              `"lines":1,"more":true`,
	} {
		resp, err := h.Do(params)
		if err != nil || !strings.Contains(string(resp.Result), want) || len(resp.Result) > 300<<10 {
			t.Errorf("%s: %d bytes, %.100s: %v", params, len(resp.Result), resp.Result[max(0, len(resp.Result)-100):], err)
		}
	}
	if err := try(t, h, map[string]any{"op": "read", "path": "/huge.txt"}); !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	h.Put("/huge.txt", strings.Repeat("x", 5<<20))
	if err := try(t, h, map[string]any{"op": "read", "path": "/huge.txt"}); !fault.Is(err, fault.TooLarge) {
		t.Fatal(err)
	}
}

func try(t *testing.T, h *plugintest.Host, params map[string]any) error {
	t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Do(string(raw))
	return err
}
