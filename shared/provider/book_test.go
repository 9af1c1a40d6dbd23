package provider_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/provider"
)

func TestDeploymentsSurvive(t *testing.T) {
	data := t.TempDir()
	images := foreign("acme/tool")
	r := startIn(t, data, images)
	spec := fine()
	spec.Labels = &map[string]string{"team": "a"}
	r.must("POST", "/system/functions", encoded(t, spec))
	r.must("POST", "/system/functions", `{"service":"theirs","image":"acme/tool:1","envVars":{"role":"sink"}}`)
	r.must("PUT", "/system/functions", `{"service":"sink","image":"x/hearth:9","annotations":{"a":"b"}}`)
	r.must("DELETE", "/system/functions", `{"functionName":"echo"}`)
	created := r.describe("mine").CreatedAt
	r.end()

	r = startIn(t, data, images)
	if got := r.describe("mine"); (*got.Labels)["team"] != "a" || !got.CreatedAt.Equal(created) {
		t.Errorf("mine came back as %+v", got)
	}
	for _, name := range []string{"mine", "theirs", "sink"} {
		if code, got := r.call("POST", "/function/"+name, "x"); code != 200 || got != "x" {
			t.Errorf("%s answers %d %s", name, code, got)
		}
	}
	if got := r.describe("sink"); got.Image != "x/hearth:9" || (*got.Annotations)["a"] != "b" {
		t.Errorf("sink came back as %+v", got)
	}
	if code, _ := r.call("POST", "/function/echo", ""); code != http.StatusNotFound {
		t.Errorf("a removed function of ours answers %d", code)
	}
	r.must("POST", "/system/functions", `{"service":"echo","image":"hearth"}`)
	r.must("DELETE", "/system/functions", `{"functionName":"theirs"}`)
	r.end()

	r = startIn(t, data) // the other program is no longer configured
	var names []string
	for _, s := range r.list() {
		names = append(names, s.Name)
	}
	if !slices.Contains(names, "echo") || slices.Contains(names, "theirs") || len(names) != len(functions())+1 {
		t.Errorf("at last there are %v", names)
	}
}

// TestMissingProgram starts where the program of a deployment is gone: the others work, and it comes back
// with its program.
func TestMissingProgram(t *testing.T) {
	data := t.TempDir()
	r := startIn(t, data, foreign("acme/tool"))
	r.must("POST", "/system/functions", `{"service":"theirs","image":"acme/tool:1","envVars":{"role":"sink"}}`)
	r.end()
	r = startIn(t, data)
	if code, _ := r.call("POST", "/function/theirs", ""); code != http.StatusNotFound {
		t.Errorf("it answers %d", code)
	}
	if code, _ := r.call("POST", "/function/echo", ""); code != http.StatusOK {
		t.Errorf("echo answers %d", code)
	}
	r.end()
	r = startIn(t, data, foreign("acme/tool"))
	if code, got := r.call("POST", "/function/theirs", "x"); got != "x" {
		t.Errorf("it answers %d %s", code, got)
	}
	r.end()
	r = startIn(t, data)
	r.must("DELETE", "/system/functions", `{"functionName":"theirs"}`) // what cannot run can be removed
}

func TestBrokenBook(t *testing.T) {
	r := start(t)
	r.end()
	path := filepath.Join(r.data, "deployments.json")
	if err := os.WriteFile(path, []byte(`{"deployed":[{"name":`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := provider.New(provider.Config{Env: r.env, Logs: provider.NewLogs(), Data: r.data, Command: []string{"x"}})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Text(err), path) {
		t.Errorf("New returned %v", err)
	}
}

func TestNeededFunctions(t *testing.T) {
	r := start(t, func(c *provider.Config) { c.Keep, c.Needed = []string{"echo"}, []string{"echo"} })
	if code, got := r.system("DELETE", "/system/functions", `{"functionName":"echo"}`); code != http.StatusForbidden {
		t.Errorf("its removal answers %d %s", code, got)
	}
	if code, got := r.system("POST", "/system/scale-function/echo", `{"replicas":0}`); code != http.StatusForbidden {
		t.Errorf("its end answers %d %s", code, got)
	}
	if code, got := r.system("PUT", "/system/functions", `{"service":"echo","image":"hearth","envProcess":"hearth fn sink"}`); code != http.StatusForbidden {
		t.Errorf("another function in its place answers %d %s", code, got)
	}
	r.must("PUT", "/system/functions", `{"service":"echo","image":"hearth"}`)
	if got := r.describe("echo"); (*got.Labels)["com.openfaas.scale.min"] != "1" {
		t.Errorf("after an update it is not kept: %v", got.Labels)
	}
}

func TestTwoProviders(t *testing.T) {
	a, b := start(t), start(t, processes)
	a.must("DELETE", "/system/functions", `{"functionName":"echo"}`)
	if code, _ := b.call("POST", "/function/echo", ""); code != http.StatusOK {
		t.Errorf("the other's function answers %d", code)
	}
	b.must("POST", "/system/functions", encoded(t, fine()))
	if code, _ := a.call("POST", "/function/mine", ""); code != http.StatusNotFound {
		t.Errorf("the other's function answers %d here", code)
	}
}
