package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"

	"github.com/hearthfaas/hearth/shared/budget"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/ledger"
)

// settingsFile is the file of settings in the data folder.
const settingsFile = "hearth.yml"

// config is what "hearth up" runs with. Settings come from flags, else the environment, else hearth.yml,
// else a default.
type config struct {
	addr   string
	data   string // absolute
	inline bool
	images map[string]string // programs that stand for images
	lookup func(name string) (string, bool)
	flags  map[string]string
	file   map[string]string
	raw    []byte // of the file
}

// checks are the settings that must have a form, each with what it must be.
var checks = map[string]func(value string) string{
	"HEARTH_ADDR":       address,
	"HEARTH_PUBLIC_URL": schemes("http", "https"),
	"HEARTH_GATEWAY":    schemes("http", "https"),
	"HEARTH_INLINE":     oneOf("trusted", "none"),
	"HEARTH_RECALL":     duration,
	"HEARTH_BUDGET":     budgets,
	"HEARTH_APPROVAL":   oneOf("own", "four-eyes"),
	"REDIS_URL":         storeURL,
	"OPENAI_BASE_URL":   schemes("http", "https"),
	"SMTP_URL":          schemes("smtp", "smtps"),
	"CONTEXT_TOKENS":    positive,
	"HEARTH_IMAGES":     imagePairs,
	"HEARTH_ALERT_URL":  schemes("http", "https"),
}

// readConfig puts the settings together. What does not parse is an error with its name and line; it never
// becomes the default.
func readConfig(a *app, flags map[string]string) (config, error) {
	data, given := flags["HEARTH_DATA"]
	if !given {
		data = a.setting("HEARTH_DATA", ".hearth")
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return config{}, fault.As(fault.Invalid, err, "the data folder").At("HEARTH_DATA")
	}
	c := config{data: data, flags: flags}
	if err := c.readFile(); err != nil {
		return config{}, err
	}
	c.lookup = func(name string) (string, bool) {
		if v, ok := flags[name]; ok {
			return v, true
		}
		if v, ok := a.lookup(name); ok && strings.TrimSpace(v) != "" {
			return v, true
		}
		v, ok := c.file[name]
		return v, ok
	}
	if err := c.check(a); err != nil {
		return config{}, err
	}
	env := fn.Env{Lookup: c.lookup}
	c.addr = env.Setting("HEARTH_ADDR", "127.0.0.1:8080")
	c.inline = env.Setting("HEARTH_INLINE", "trusted") == "trusted"
	c.images = imagesOf(env.Setting("HEARTH_IMAGES", ""))
	return c, nil
}

// check looks at the form of every setting that has one.
func (c config) check(a *app) error {
	env := fn.Env{Lookup: c.lookup}
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		value := env.Setting(name, "")
		want := checks[name](value)
		if value == "" || want == "" {
			continue
		}
		if strings.HasPrefix(name, "HEARTH_") { // the others may hold a password
			want += fmt.Sprintf(", not %q", value)
		}
		return fault.New(fault.Invalid, "want %s", want).At(c.place(a, name))
	}
	if _, err := env.Zone(); err != nil {
		wrong, _ := errors.AsType[*fault.Error](err)
		return wrong.At(c.place(a, "HEARTH_TIMEZONE"))
	}
	return nil
}

// place says where a setting comes from: its name, and the line when that is in the file.
func (c config) place(a *app, name string) string {
	_, isFlag := c.flags[name]
	if _, inFile := c.file[name]; !inFile || isFlag || a.setting(name, "") != "" {
		return name
	}
	return fmt.Sprintf("%s:%d: %s", filepath.Join(c.data, settingsFile), lineOf(c.raw, name), name)
}

// settingName is the form of the names in hearth.yml.
var settingName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

// readFile reads hearth.yml: names of settings with plain values. A missing file has none.
func (c *config) readFile() error {
	path := filepath.Join(c.data, settingsFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.As(fault.Unavailable, err, "cannot be read").At(path)
	}
	if err := yaml.Unmarshal(raw, &c.file); err != nil {
		return fault.New(fault.Invalid, "%s", yaml.FormatError(err, false, true)).At(path)
	}
	for _, name := range slices.Sorted(maps.Keys(c.file)) {
		if !settingName.MatchString(name) || name == "HEARTH_DATA" {
			return fault.New(fault.Invalid, "%q is no setting that can stand here", name).
				At(fmt.Sprintf("%s:%d", path, lineOf(raw, name))).Try("settings are named as in the README, such as HEARTH_ADDR")
		}
	}
	c.raw = raw
	return nil
}

// lineOf returns the line of a setting in hearth.yml.
func lineOf(raw []byte, name string) int {
	path, err := yaml.PathString("$.'" + name + "'")
	if err != nil {
		return 1
	}
	node, err := path.ReadNode(bytes.NewReader(raw))
	if err != nil {
		return 1
	}
	return node.GetToken().Position.Line
}

// environ is the environment of our own functions that run as processes: ours, with what came by file, by
// flag and from start.
func (c config) environ(found map[string]string) []string {
	all := maps.Clone(c.file)
	if all == nil {
		all = map[string]string{}
	}
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.TrimSpace(value) != "" {
			all[name] = value
		}
	}
	maps.Copy(all, c.flags)
	maps.Copy(all, found)
	environ := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		environ = append(environ, name+"="+all[name])
	}
	return environ
}

// The checks return "" for a good value, and else what it must be.

func address(value string) string {
	_, port, err := net.SplitHostPort(value)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		return "HOST:PORT"
	}
	return ""
}

func positive(value string) string {
	if n, err := strconv.Atoi(value); err != nil || n <= 0 {
		return "a number above 0"
	}
	return ""
}

func duration(value string) string {
	if d, err := time.ParseDuration(value); err != nil || d < 0 {
		return "a time such as 30s"
	}
	return ""
}

func imagePairs(value string) string {
	for _, pair := range imageFields(value) {
		if image, program, _ := strings.Cut(pair, "="); image == "" || program == "" {
			return "IMAGE=PROGRAM pairs, such as ghcr.io/acme/tool=/opt/tool"
		}
	}
	return ""
}

// imageFields cuts the pairs of HEARTH_IMAGES apart: commas, spaces or new lines are between them.
func imageFields(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// imagesOf returns the programs that stand for images: an image with a tag or a digest for that one, without
// for all of its name.
func imagesOf(value string) map[string]string {
	images := map[string]string{}
	for _, pair := range imageFields(value) {
		image, program, _ := strings.Cut(pair, "=")
		images[image] = program
	}
	return images
}

func oneOf(values ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(values, value) {
			return ""
		}
		return strings.Join(values, " or ")
	}
}

func storeURL(value string) string {
	if ledger.CheckURL(value) != nil {
		return ledger.Forms
	}
	return ""
}

func schemes(list ...string) func(string) string {
	return func(value string) string {
		u, err := url.Parse(value)
		if err != nil || !slices.Contains(list, u.Scheme) || (u.Host == "" && u.Scheme != "unix") {
			return list[0] + "://…"
		}
		return ""
	}
}

func budgets(value string) string {
	if _, err := budget.Parse(value); err != nil {
		return "budgets such as " + `"user tokens 200k/day; all effects 500/hour"`
	}
	return ""
}
