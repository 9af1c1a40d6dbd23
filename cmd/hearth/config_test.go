package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// configured reads a configuration from flags, variables and the text of hearth.yml.
func configured(t *testing.T, flags, variables map[string]string, file string) (config, error) {
	t.Helper()
	data := t.TempDir()
	if file != "" {
		if err := os.WriteFile(filepath.Join(data, settingsFile), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{lookup: func(name string) (string, bool) {
		if name == "HEARTH_DATA" {
			return data, true
		}
		v, ok := variables[name]
		return v, ok
	}}
	if flags == nil {
		flags = map[string]string{}
	}
	return readConfig(a, flags)
}

func TestSettingsByRank(t *testing.T) {
	type is = map[string]string
	file := "# ours\nHEARTH_ADDR: 127.0.0.1:3\nHEARTH_INLINE: none\nCONTEXT_TOKENS: 4096\nDATABASE_STOCK_URL: sqlite:stock.db\n"
	for _, c := range []struct {
		flags, variables map[string]string
		file, want       string
	}{
		{nil, nil, "", "127.0.0.1:8080"},
		{nil, nil, file, "127.0.0.1:3"},
		{nil, is{"HEARTH_ADDR": "127.0.0.1:2"}, file, "127.0.0.1:2"},
		{nil, is{"HEARTH_ADDR": "  "}, file, "127.0.0.1:3"},
		{is{"HEARTH_ADDR": "127.0.0.1:1"}, is{"HEARTH_ADDR": "127.0.0.1:2"}, file, "127.0.0.1:1"},
	} {
		got, err := configured(t, c.flags, c.variables, c.file)
		if err != nil || got.addr != c.want || got.inline != (c.file == "") {
			t.Errorf("%v %v: %s, inline %t, %v; want %s", c.flags, c.variables, got.addr, got.inline, err, c.want)
		}
	}
	got, err := configured(t, is{"HEARTH_INLINE": "trusted"}, nil, file)
	if err != nil {
		t.Fatal(err)
	}
	env := fn.Env{Lookup: got.lookup}
	if v := env.Setting("DATABASE_STOCK_URL", ""); v != "sqlite:stock.db" || !got.inline {
		t.Errorf("the file's database is %q, inline %t", v, got.inline)
	}
	environ := got.environ(is{"REDIS_URL": "redis://found"})
	for _, pair := range []string{"DATABASE_STOCK_URL=sqlite:stock.db", "HEARTH_INLINE=trusted", "REDIS_URL=redis://found", "CONTEXT_TOKENS=4096"} {
		if !slices.Contains(environ, pair) {
			t.Errorf("processes do not get %s", pair)
		}
	}
}

func TestImages(t *testing.T) {
	got, err := configured(t, nil, nil, "HEARTH_IMAGES: |\n  registry:5000/acme/tool:1=/opt/tool\n  acme/b@sha256:00=./b, acme/c=c\n")
	want := map[string]string{"registry:5000/acme/tool:1": "/opt/tool", "acme/b@sha256:00": "./b", "acme/c": "c"}
	if err != nil || !maps.Equal(got.images, want) {
		t.Errorf("the programs are %v, %v", got.images, err)
	}
}

func TestSettingsThatDoNotParse(t *testing.T) {
	type is = map[string]string
	for _, c := range []struct {
		variables   map[string]string
		file, place string
	}{
		{is{"HEARTH_ADDR": "8080"}, "", "HEARTH_ADDR"},
		{is{"HEARTH_ADDR": "127.0.0.1:http"}, "", "HEARTH_ADDR"},
		{is{"HEARTH_ADDR": "127.0.0.1:70000"}, "", "HEARTH_ADDR"},
		{is{"HEARTH_INLINE": "yes"}, "", "HEARTH_INLINE"},
		{is{"HEARTH_TIMEZONE": "Mars/Base"}, "", "HEARTH_TIMEZONE"},
		{is{"HEARTH_PUBLIC_URL": "hearth.example"}, "", "HEARTH_PUBLIC_URL"},
		{is{"REDIS_URL": "localhost:6379"}, "", "REDIS_URL"},
		{is{"REDIS_URL": "redis+sentinel://:s3cret@a,b"}, "", "REDIS_URL"},
		{is{"SMTP_URL": "http://:s3cret@x"}, "", "SMTP_URL"},
		{is{"CONTEXT_TOKENS": "many"}, "", "CONTEXT_TOKENS"},
		{is{"HEARTH_IMAGES": "acme/tool"}, "", "HEARTH_IMAGES"},
		{is{"HEARTH_IMAGES": "acme/tool=/opt/tool,=x"}, "", "HEARTH_IMAGES"},
		{nil, "HEARTH_INLINE: none\nHEARTH_ADDR: nowhere\n", "hearth.yml:2: HEARTH_ADDR"},
		{nil, "\n\n  \nHEARTH_TIMEZONE: Mars/Base\n", "hearth.yml:4: HEARTH_TIMEZONE"},
		{nil, "HEARTH_ADDR: 127.0.0.1:0\nhearth_addr: 127.0.0.1:0\n", "hearth.yml:2"},
		{nil, "HEARTH_DATA: /elsewhere\n", "hearth.yml:1"},
		{nil, "HEARTH_ADDR: [1, 2]\n", "hearth.yml"},
		{nil, "HEARTH_ADDR: 'open\n", "hearth.yml"},
	} {
		_, err := configured(t, nil, c.variables, c.file)
		text := fault.Text(err)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(text, c.place) || strings.Contains(text, "s3cret") {
			t.Errorf("%v %q gave %q, want the place %q", c.variables, c.file, text, c.place)
		}
		if exitCode(err) != 2 {
			t.Errorf("%v %q ends with %d", c.variables, c.file, exitCode(err))
		}
	}
}
