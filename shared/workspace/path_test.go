package workspace_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/workspace"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"/output/a.xlsx":          "/output/a.xlsx",
		"output/a.xlsx":           "/output/a.xlsx",
		"./output//a.xlsx":        "/output/a.xlsx",
		"/报表/2026 年.xlsx":         "/报表/2026 年.xlsx",
		"/a/...":                  "/a/...",
		"/a/..b":                  "/a/..b",
		"/résumé.pdf":             "/résumé.pdf",
		"/a/报告…终稿.md":             "/a/报告…终稿.md",
		"/" + rep("n", 255):       "/" + rep("n", 255),
		strings.Repeat("/a", 64):  strings.Repeat("/a", 64),
		"/~root/$HOME/`id`/a b.c": "/~root/$HOME/`id`/a b.c",
	} {
		got, err := workspace.Clean(in)
		if err != nil || got != want {
			t.Errorf("%q: %q, want %q: %v", in, got, want, err)
		}
	}
}

func TestCleanRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":            "",
		"the root":           "/",
		"a folder":           "/a/",
		"a dot":              ".",
		"up":                 "..",
		"up and down":        "/a/../b",
		"up at the start":    "../etc/passwd",
		"up at the end":      "/a/..",
		"NUL":                "/a\x00.txt",
		"a line break":       "/a\nb",
		"DEL":                "/a\x7f",
		"a backslash":        `C:\Windows`,
		"up, backslashed":    `..\..\etc`,
		"not UTF-8":          "/a\xff",
		"overlong slash":     "..\xc0\xaf..",
		"decomposed":         "/re\u0301sume\u0301.pdf",
		"right to left":      "/a\u202exslx.exe",
		"zero width":         "/a\u200b",
		"byte order mark":    "\ufeff/a",
		"full-width dots":    "/\uff0e\uff0e/a",
		"two dot leader":     "/\u2025/a",
		"full-width slash":   "/..\uff0fa",
		"full-width bslash":  "/a\uff3cb",
		"line separator":     "/a\u2028b",
		"replacement":        "/a\ufffd",
		"private use":        "/a\ue000",
		"leading space":      "/ a",
		"trailing space":     "/a ",
		"ideographic space":  "/a\u3000",
		"a long name":        "/" + rep("n", 256),
		"a long path":        rep("/"+rep("n", 200), 6),
		"deep":               rep("/a", 65),
		"very long, invalid": rep("x", 1<<20),
	} {
		if got, err := workspace.Clean(in); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}

// TestCleanIsStable: what Clean accepts, it accepts again unchanged, and it never leads out.
func TestCleanIsStable(t *testing.T) {
	part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"..", ".", "", "a", "\\", "．．", "é", "e\u0301", "\x00"}))
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOfN(part, 1, 6).Draw(t, "parts"), "/")
		once, err := workspace.Clean(in)
		if err != nil {
			return
		}
		twice, err := workspace.Clean(once)
		if err != nil || once != twice || !strings.HasPrefix(once, "/") {
			t.Fatalf("%q: %q, then %q: %v", in, once, twice, err)
		}
		for _, name := range strings.Split(once[1:], "/") {
			if name == "" || name == "." || name == ".." {
				t.Fatalf("%q gives %q", in, once)
			}
		}
	})
}

func TestUnder(t *testing.T) {
	for _, tc := range []struct {
		name, folder string
		want         bool
	}{
		{"/a", "/", true},
		{"/a/b", "/a", true},
		{"/a", "/a", true},
		{"/ab", "/a", false},
		{"/templates2/x", workspace.Templates, false},
	} {
		if got := workspace.Under(tc.name, tc.folder); got != tc.want {
			t.Errorf("%s under %s: %v", tc.name, tc.folder, got)
		}
	}
}

func rep(s string, n int) string { return strings.Repeat(s, n) }
