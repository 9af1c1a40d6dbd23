package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/functions/catalog"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/flow"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
)

// TestSameStoryInBothStacks tells one story with each function deployed by itself, and with those of the
// Community Edition in groups: a chat, a run that makes a file, and its undo.
func TestSameStoryInBothStacks(t *testing.T) {
	for name, ce := range map[string]bool{stackFile: false, stackFileCE: true} {
		t.Run(name, func(t *testing.T) {
			c := deploy(t, ce)
			if answer := c.chat("hello"); answer == "" {
				t.Error("no answer")
			}
			task := map[string]any{
				"task_id": "sheet", "trigger": map[string]string{"type": "manual"},
				"steps": []map[string]any{{"id": "sheet", "plugin": "excel_generator", "params": map[string]any{
					"output": "/output/a.xlsx", "data": []map[string]any{{"city": "Paris"}},
				}}},
			}
			if status := c.call("PUT", "system-tasks/sheet", task, nil); status >= 300 {
				t.Fatalf("the task: %d", status)
			}
			var started struct {
				Run string `json:"run"`
			}
			c.call("POST", "system-tasks/sheet/run", map[string]any{}, &started)
			if v := c.settled(started.Run); v.State != "done" || len(v.Steps) != 1 || v.Steps[0].Summary != "Wrote 1 rows to /output/a.xlsx." {
				t.Errorf("%+v", v)
			}
			if status := c.call("GET", "system-files/get?path=/output/a.xlsx", nil, nil); status != 200 {
				t.Errorf("the file: %d", status)
			}
			c.call("POST", "system-tasks/runs/"+started.Run+"/undo", map[string]any{}, nil)
			if v := c.settled(started.Run); v.State != "undone" {
				t.Errorf("%+v", v)
			}
			if status := c.call("GET", "system-files/get?path=/output/a.xlsx", nil, nil); status != 404 {
				t.Errorf("the file after the undo: %d", status)
			}
			webhook := map[bool]string{false: "adapter-telegram", true: "adapters/telegram"}[ce]
			if status := c.call("POST", webhook, map[string]any{}, nil); status != 401 {
				t.Errorf("an unproven webhook: %d", status)
			}
		})
	}
}

// chat says something and returns the answer.
func (c *cluster) chat(text string) string {
	c.t.Helper()
	c.call("POST", "adapter-web/messages", map[string]string{"session": "s", "text": text, "key": "k"}, nil)
	after := ""
	for range 20 {
		var page struct {
			Events []struct {
				ID   string `json:"id"`
				Data struct {
					Type     string `json:"type"`
					Markdown string `json:"markdown"`
				} `json:"data"`
			} `json:"events"`
		}
		c.call("GET", "adapter-web/events?session=s&wait=5&after="+after, nil, &page)
		for _, e := range page.Events {
			if after = e.ID; e.Data.Type == "answer" {
				return e.Data.Markdown
			}
		}
	}
	return ""
}

// settled waits until a run has come to an end.
func (c *cluster) settled(id string) flow.View {
	c.t.Helper()
	var v flow.View
	for range 20 {
		c.call("GET", fmt.Sprintf("system-tasks/runs/%s?wait=5&rev=%d", id, v.Rev), nil, &v)
		switch v.State {
		case "running", "waiting", "undoing", "rolling_back":
		default:
			return v
		}
	}
	return v
}

// TestGroupsFit counts: the Community Edition takes 15 functions, and people want to add some.
func TestGroupsFit(t *testing.T) {
	deployed, groups := grouped(catalog.All())
	if len(deployed) > 12 {
		t.Errorf("%d functions", len(deployed))
	}
	n := len(deployed) - len(groups)
	for _, members := range groups {
		n += len(members)
	}
	if n != len(catalog.All()) {
		t.Errorf("%d functions are somewhere, of %d", n, len(catalog.All()))
	}
}

// TestMembersAreApart gives each function of a group its own paths, limits and failures.
func TestMembersAreApart(t *testing.T) {
	fails := true
	says := func(w http.ResponseWriter, r *http.Request) {
		body, err := fn.ReadBody(r)
		if err != nil {
			fault.Write(w, err)
			return
		}
		fmt.Fprintf(w, "%s %s %d", r.URL.Path, r.URL.EscapedPath(), len(body))
	}
	of := func(name string, limit int64, err error) fn.Function {
		return fn.Function{Name: name, MaxBody: limit, New: func(context.Context, *fn.Env) (http.Handler, error) {
			if err != nil && fails {
				return nil, err
			}
			return http.HandlerFunc(says), nil
		}}
	}
	group := gather("adapters", []fn.Function{of("adapter-a", 4, nil), of("adapter-b", 8, nil), of("adapter-c", 8, errors.New("broken"))})
	server := fntest.Start(t, group, fntest.Env(t, nil))
	post := func(path, body string) string {
		resp, err := http.Post(server.URL+path, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 {
			return fmt.Sprint(resp.StatusCode)
		}
		return string(raw)
	}
	for path, want := range map[string]string{
		"/a": "/ / 4", "/a/": "/ / 4", "/b/x%2Fy/z": "/x/y/z /x%2Fy/z 4", "/d": "404", "/": "404", "/c": "503", "/a/_/ready": "200",
	} {
		got := post(path, "1234")
		if path == "/a/_/ready" && got == "" {
			got = "200"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := post("/a", "12345"); got != "413" {
		t.Errorf("over the limit of a: %s", got)
	}
	if got := post("/b", "12345"); got != "/ / 5" {
		t.Errorf("within the limit of b: %s", got)
	}
	fails = false
	if got := post("/c", ""); got != "/ / 0" {
		t.Errorf("once it can start: %s", got)
	}
}
