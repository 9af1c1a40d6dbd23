// Package tests holds what is true of the bundle as a whole: the house rules, and stories that run through
// all of it.
package tests

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hearthfaas/hearth/"

// house is the order of the packages (ARCHITECTURE.md draws it): each may import what stands below it, and
// nothing from its own line. A folder stands for all in it unless a folder in it has a place of its own.
var house = [][]string{
	{"cmd"},
	{"functions/catalog", "shared/provider", "shared/redisd", "shared/demo"},
	{"functions"},
	{"shared/journal", "shared/plugin/capability", "shared/plugin/remote"},
	{"shared/alert"},
	{"shared/channel", "shared/plugin"},
	{"shared/workspace", "shared/budget"},
	{"shared/ledger", "shared/model", "shared/audit", "shared/gateway"},
	{"shared/blob"},
	{"shared/fn", "shared/sandbox", "shared/model/builtin"},
	{"shared/flow", "shared/policy", "shared/manifest", "shared/message", "shared/vault", "shared/mailbox", "shared/database", "shared/webhook"},
	{"shared/strictjson", "shared/address"},
	{"shared/fault"},
}

// narrow names the packages that may import less of ours than their place allows.
var narrow = map[string][]string{
	"functions/catalog":    {"functions", "shared/fn"},
	"shared/provider":      {"shared/sandbox", "shared/flow", "shared/gateway", "shared/fn", "shared/manifest", "shared/webhook", "shared/address", "shared/fault"},
	"shared/redisd":        {"shared/fault"},
	"shared/demo":          {"shared/flow", "shared/fault"},
	"shared/sandbox":       {"shared/manifest", "shared/fault"},
	"shared/model/builtin": {"shared/flow", "shared/manifest", "shared/fault"},
	"shared/mailbox":       {"shared/fault"},
	"shared/database":      {"shared/fault"},
	"shared/webhook":       {"shared/fault"},
	"shared/address":       {},
}

// homes say where each dependency may be used, besides in tests. A new one gets one home.
var homes = map[string][]string{
	"github.com/alicebob/miniredis":       {"shared/redisd"},
	"github.com/aws/aws-lambda-go":        {"shared/fn/lambda"},
	"github.com/coder/websocket":          {"functions/adapters"},
	"github.com/emersion/go-message":      {"shared/mailbox"},
	"github.com/emersion/go-sasl":         {"functions/plugins/emailsender"},
	"github.com/emersion/go-smtp":         {"functions/plugins/emailsender", "shared/mailbox"}, // client; server
	"github.com/expr-lang/expr":           {"shared/flow"},
	"github.com/go-playground/validator":  {"shared/fn"},
	"github.com/go-sql-driver/mysql":      {"shared/database"},
	"github.com/goccy/go-yaml":            {"cmd/hearth"},
	"github.com/google/jsonschema-go":     {"shared/plugin", "shared/model"}, // parameters; answers of models
	"github.com/jackc/pgx":                {"shared/database"},
	"github.com/minio/minio-go":           {"shared/blob"},
	"github.com/netresearch/go-cron":      {"shared/flow"},
	"github.com/openfaas/faas-provider":   {"shared/provider"},
	"github.com/prometheus/client_golang": {"shared/fn", "shared/provider"}, // of functions; of the gateway
	"github.com/redis/go-redis":           {"shared/ledger"},
	"github.com/sashabaranov/go-openai":   {"shared/model"},
	"github.com/spf13/cobra":              {"cmd/hearth"},
	"github.com/wneessen/go-mail":         {"functions/plugins/emailsender"},
	"github.com/xuri/excelize":            {"functions/plugins/excelgenerator", "shared/demo"},
	"github.com/yuin/goldmark":            {"shared/message"},
	"modernc.org/libc":                    {"shared/database"},
	"modernc.org/sqlite":                  {"shared/database", "shared/demo"},
	"golang.org/x":                        {"cmd", "functions", "shared"},
}

// source is one Go file of the bundle.
type source struct {
	name, dir string // from the root, with slashes
	file      *ast.File
	pos       *token.FileSet
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") || forTests(s.dir) }

// forTests reports whether a package exists for tests only: fntest, ledgertest and their like.
func forTests(dir string) bool { return strings.HasSuffix(dir, "test") }

// sources reads all Go files in this process: a test that asks the go command is cached wrongly.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, top := range []string{"cmd", "functions", "shared"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(name, ".go") {
				return nil
			}
			pos := token.NewFileSet()
			file, err := parser.ParseFile(pos, name, nil, parser.SkipObjectResolution)
			name = strings.TrimPrefix(filepath.ToSlash(name), "../")
			all = append(all, source{name: name, dir: path.Dir(name), file: file, pos: pos})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// line returns the place of a package in the house: its line, counted from the top, and its entry there.
func line(dir string) (int, string, bool) {
	best, entry := -1, ""
	for i, packages := range house {
		for _, p := range packages {
			if within(dir, p) && len(p) > len(entry) {
				best, entry = i, p
			}
		}
	}
	return best, entry, best >= 0
}

func within(dir, folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }

func withinAny(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return within(dir, folder) })
}

func TestArrows(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, spec := range s.file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if why := forbidden(s.dir, imported); why != "" {
				t.Errorf("%s: imports %s: %s", s.name, imported, why)
			}
		}
	}
}

// forbidden says why a package may not import another one, or nothing.
func forbidden(dir, imported string) string {
	if to, ours := strings.CutPrefix(imported, module); ours {
		return forbiddenInside(dir, to)
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	for dependency, places := range homes {
		if !within(imported, dependency) {
			continue
		}
		if withinAny(dir, places) {
			return ""
		}
		return "its home is " + strings.Join(places, " and ")
	}
	return "it has no home yet: say in tests/imports_test.go where it belongs"
}

func forbiddenInside(from, to string) string {
	line1, entry1, placed1 := line(from)
	line2, entry2, placed2 := line(to)
	switch {
	case !placed1 || !placed2:
		return "a package has no place in the house yet: give it one in tests/imports_test.go"
	case forTests(to):
		return "it is for tests"
	case entry1 == entry2 && (entry1 != "functions" || within(from, to) || within(to, from)):
		return "" // parts of one folder
	case entry1 == "functions" && entry2 == "functions":
		return "functions meet over the gateway, by name"
	case narrow[entry1] != nil && !withinAny(to, narrow[entry1]):
		return entry1 + " may import only " + strings.Join(narrow[entry1], ", ")
	case line1 >= line2:
		return "it does not stand below " + from
	default:
		return ""
	}
}

// The rules themselves: what must be refused is.
func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"functions/plugins/emailsender", module + "shared/plugin", true},
		{"functions/planner/execute", module + "functions/planner/reply", false},
		{"functions/catalog", module + "functions/planner/reply", true},
		{"functions/catalog", module + "shared/ledger", false},
		{"cmd/hearth", module + "functions/catalog", true},
		{"shared/ledger", module + "shared/gateway", false},
		{"shared/ledger", module + "shared/workspace", false},
		{"shared/workspace", module + "shared/ledger", true},
		{"shared/fault", module + "shared/fn", false},
		{"shared/flow", module + "shared/fn", false},
		{"shared/flow", module + "shared/strictjson", true},
		{"shared/provider", module + "functions/planner/reply", false},
		{"functions/planner/reply", module + "shared/provider", false},
		{"shared/plugin/remote", module + "shared/plugin", true},
		{"shared/plugin", module + "shared/plugin/remote", false},
		{"shared/fn", module + "shared/fn/fntest", false},
		{"shared/channel/whatever", module + "shared/fn", true},
		{"shared/novelty", module + "shared/fault", false},
		{"shared/ledger", "github.com/redis/go-redis/v9", true},
		{"shared/workspace", "github.com/redis/go-redis/v9", false},
		{"shared/fn", "github.com/aws/aws-lambda-go/lambda", false},
		{"shared/fn/lambda", "github.com/aws/aws-lambda-go/lambda", true},
		{"shared/fault", "example.com/new/thing", false},
		{"shared/fault", "net/http", true},
	} {
		if why := forbidden(c.from, c.to); (why == "") != c.allowed {
			t.Errorf("%s imports %s: %q", c.from, c.to, why)
		}
	}
}

// Settings come from fn.Env, and nothing runs before main.
func TestHouseRules(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			why := ""
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					why = "nothing runs before main: make it a function that somebody calls"
				}
			case *ast.SelectorExpr:
				why = ruleAgainst(n, s)
			}
			if why != "" {
				t.Errorf("%s: %s", s.pos.Position(n.Pos()), why)
			}
			return true
		})
	}
}

func ruleAgainst(n *ast.SelectorExpr, s source) string {
	root, ok := n.X.(*ast.Ident)
	if !ok {
		return ""
	}
	switch root.Name + "." + n.Sel.Name {
	case "os.Getenv", "os.LookupEnv", "os.Environ":
		if !s.isTest() && !withinAny(s.dir, []string{"cmd", "shared/fn"}) {
			return "settings come from fn.Env"
		}
	case "time.Sleep":
		return "wait for what happens, not for time to pass"
	}
	return ""
}
