package provider_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"
	sdk "github.com/openfaas/go-sdk"

	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/provider"
)

// client is the client that faas-cli is made of.
func (r *rig) client() *sdk.Client {
	r.t.Helper()
	base, err := url.Parse(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	return sdk.NewClient(base, &sdk.BasicAuth{Username: provider.User, Password: password}, http.DefaultClient)
}

// system sends a request to the management API and returns the status and the text of the answer.
func (r *rig) system(method, path, body string) (int, string) {
	r.t.Helper()
	return r.call(method, path, body, basic(), "Content-Type: application/json")
}

// describe returns a function as the API shows it.
func (r *rig) describe(name string) types.FunctionStatus {
	r.t.Helper()
	code, got := r.system("GET", "/system/function/"+name+"?usage=1", "")
	var status types.FunctionStatus
	if err := json.Unmarshal([]byte(got), &status); err != nil || code != http.StatusOK {
		r.t.Fatalf("%s is described by %d %s: %v", name, code, got, err)
	}
	return status
}

// must is system for a request that has to be accepted.
func (r *rig) must(method, path, body string) {
	r.t.Helper()
	if code, got := r.system(method, path, body); code != http.StatusAccepted {
		r.t.Fatalf("%s %s %s answers %d %s", method, path, body, code, got)
	}
}

// foreign is a change for start: the test's own program stands for some images.
func foreign(images ...string) func(*provider.Config) {
	return func(c *provider.Config) {
		c.Images = map[string]string{}
		for _, image := range images {
			c.Images[image] = c.Command[0]
		}
	}
}

// fine is a deployment that every test below may change.
func fine() types.FunctionDeployment {
	return types.FunctionDeployment{Service: "mine", Image: "hearth:latest", EnvProcess: "hearth fn echo"}
}

// cut is a call that may be cut off: it returns what came of the answer.
func (r *rig) cut(path string) string {
	resp, err := http.DefaultClient.Do(r.request("POST", path, ""))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return string(raw)
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestManagement goes through the life of a function with OpenFaaS' own client.
func TestManagement(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		c, ctx := r.client(), t.Context()
		spec := fine()
		spec.Namespace = provider.Namespace
		spec.Labels = &map[string]string{"com.openfaas.scale.max": "5"}
		spec.Annotations = &map[string]string{"topic": "cron-function"}
		spec.Constraints = []string{"node.role=worker"}
		spec.Limits = &types.FunctionResources{Memory: "256Mi", CPU: "1500m"}
		spec.Requests = &types.FunctionResources{Memory: "20Mi"}
		spec.ReadOnlyRootFilesystem = true
		if code, err := c.Update(ctx, spec); code != http.StatusNotFound {
			t.Errorf("an update of nothing answers %d, %v", code, err)
		}
		if code, err := c.Deploy(ctx, spec); code != http.StatusAccepted || err != nil {
			t.Fatalf("Deploy answers %d, %v", code, err)
		}
		if code, err := c.Deploy(ctx, spec); code != http.StatusConflict {
			t.Errorf("a second Deploy answers %d, %v", code, err)
		}
		got, err := c.GetFunction(ctx, "mine", provider.Namespace)
		if err != nil || got.EnvProcess != spec.EnvProcess || got.Image != spec.Image || (*got.Labels)["com.openfaas.scale.max"] != "5" ||
			(*got.Annotations)["topic"] != "cron-function" || !slices.Equal(got.Constraints, spec.Constraints) ||
			*got.Limits != *spec.Limits || *got.Requests != *spec.Requests || !got.ReadOnlyRootFilesystem ||
			got.Replicas != 1 || got.AvailableReplicas != 1 || !got.CreatedAt.Equal(r.Now()) {
			t.Errorf("it is described as %+v, %v", got, err)
		}
		if code, text := r.call("POST", "/function/mine", "hello"); code != 200 || text != "hello" {
			t.Errorf("it answers %d %s", code, text)
		}
		created := r.Now()
		r.advance(1e9)
		spec.EnvVars = map[string]string{"colour": "red"}
		if code, err := c.Update(ctx, spec); code != http.StatusAccepted || err != nil {
			t.Fatalf("Update answers %d, %v", code, err)
		}
		if got := r.describe("mine"); got.EnvVars["colour"] != "red" || got.InvocationCount != 1 || !got.CreatedAt.Equal(created) {
			t.Errorf("after the update it is %+v", got)
		}
		list, err := c.GetFunctions(ctx, "")
		if err != nil || list[len(list)-1].Name != "mine" || len(list) != len(functions())+1 {
			t.Errorf("the list has %d functions, %v", len(list), err)
		}
		if err := c.DeleteFunction(ctx, "mine", ""); err != nil {
			t.Errorf("DeleteFunction returns %v", err)
		}
		if err := c.DeleteFunction(ctx, "mine", ""); err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("a second DeleteFunction returns %v", err)
		}
		if code, _ := r.call("POST", "/function/mine", ""); code != http.StatusNotFound {
			t.Errorf("a removed function answers %d", code)
		}
	})
}

// TestWire sends the bodies that faas-cli sends, and looks for the codes that it wants.
func TestWire(t *testing.T) {
	r := start(t)
	deploy := `{"service":"hello","image":"ghcr.io/acme/hearth:latest","envProcess":"./hearth fn echo","envVars":{},"secrets":[],"labels":{},"annotations":{},"limits":null,"readOnlyRootFilesystem":false,"network":"func_functions","registryAuth":"x"}`
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{"PUT", "/system/functions", deploy, 404}, // on which faas-cli sends the POST
		{"POST", "/system/functions", deploy, 202},
		{"PUT", "/system/functions", deploy, 202},
		{"GET", "/system/functions?namespace=openfaas-fn", "", 200},
		{"GET", "/system/function/hello?usage=1", "", 200},
		{"GET", "/system/function/hello.openfaas-fn?namespace=openfaas-fn", "", 200},
		{"GET", "/system/function/nobody?usage=1", "", 404},
		{"POST", "/system/scale-function/hello", `{"serviceName":"hello","replicas":1}`, 202},
		{"POST", "/system/scale-function/hello", `{"serviceName":"hello","replicas":2}`, 400},
		{"POST", "/system/scale-function/nobody", `{"serviceName":"nobody","replicas":1}`, 404},
		{"GET", "/system/logs?follow=false&name=hello&tail=-1", "", 200},
		{"GET", "/system/logs?follow=false&name=hello&namespace=other", "", 400},
		{"GET", "/system/secrets", "", 200},
		{"POST", "/system/secrets", `{"name":"api-key","value":"x"}`, 202},
		{"POST", "/system/secrets", `{"name":"api-key","value":"x"}`, 409},
		{"PUT", "/system/secrets", `{"name":"api-key","value":"y"}`, 202},
		{"DELETE", "/system/secrets", `{"name":"api-key"}`, 202},
		{"DELETE", "/system/secrets", `{"name":"api-key"}`, 404},
		{"PUT", "/system/secrets", `{"name":"api-key","value":"y"}`, 404},
		{"DELETE", "/system/functions?namespace=openfaas-fn", `{"functionName":"hello"}`, 202},
		{"DELETE", "/system/functions", `{"functionName":"hello"}`, 404},
		{"GET", "/system/info", "", 200},
		{"GET", "/system/telemetry", "", 200},
		{"GET", "/system/namespaces", "", 200},
		{"GET", "/system/namespace/openfaas-fn", "", 200},
		{"GET", "/system/namespace/other", "", 404},
		{"POST", "/system/namespace/", `{"name":"other"}`, 403},
		{"POST", "/system/namespace/", `{"name":"openfaas-fn"}`, 409},
		{"PUT", "/system/namespace/openfaas-fn", `{"name":"openfaas-fn"}`, 403},
		{"PUT", "/system/namespace/other", `{"name":"other"}`, 404},
		{"DELETE", "/system/namespace/openfaas-fn", `{"name":"openfaas-fn"}`, 403},
		{"DELETE", "/system/namespace/other", `{"name":"other"}`, 404},
		{"PATCH", "/system/functions", deploy, 405},
	} {
		if code, got := r.system(c.method, c.path, c.body); code != c.code {
			t.Errorf("%s %s %s answers %d %s, want %d", c.method, c.path, c.body, code, got, c.code)
		}
		if code, _ := r.call(c.method, c.path, c.body, "Authorization: Bearer "); code != http.StatusUnauthorized {
			t.Errorf("%s %s without a password answers %d", c.method, c.path, code)
		}
	}
	if code, _ := r.call("GET", "/healthz", ""); code != http.StatusOK {
		t.Errorf("/healthz answers %d", code)
	}
}

func TestNamespaces(t *testing.T) {
	c := start(t).client()
	spaces, err := c.GetNamespaces(t.Context())
	if err != nil || !slices.Equal(spaces, []string{"openfaas-fn"}) {
		t.Errorf("%v, %v", spaces, err)
	}
	if got, err := c.GetNamespace(t.Context(), "openfaas-fn"); err != nil || got.Name != "openfaas-fn" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := c.GetNamespace(t.Context(), "other"); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("%v", err)
	}
	if code, err := c.CreateNamespace(t.Context(), types.FunctionNamespace{Name: "other"}); code != http.StatusForbidden {
		t.Errorf("%d, %v", code, err)
	}
}

func TestRefusedDeployments(t *testing.T) {
	r := start(t, foreign("acme/tool"))
	r.secret("slack-bot-token", "x")
	for name, c := range map[string]struct {
		change func(*types.FunctionDeployment)
		says   string
	}{
		"no name":           {func(d *types.FunctionDeployment) { d.Service = "" }, "missing"},
		"capitals":          {func(d *types.FunctionDeployment) { d.Service = "Mine" }, "Mine"},
		"dash first":        {func(d *types.FunctionDeployment) { d.Service = "-mine" }, "-mine"},
		"path":              {func(d *types.FunctionDeployment) { d.Service = "../mine" }, "../mine"},
		"long":              {func(d *types.FunctionDeployment) { d.Service = strings.Repeat("a", 64) }, "63"},
		"no image":          {func(d *types.FunctionDeployment) { d.Image = "" }, "image"},
		"other namespace":   {func(d *types.FunctionDeployment) { d.Namespace = "other" }, "namespace"},
		"key":               {env("ENCRYPTION_KEY", "x"), "ENCRYPTION_KEY"},
		"store":             {env("redis_url", "x"), "redis_url"},
		"password":          {env("basic-auth-password", "x"), "basic-auth-password"},
		"our setting":       {env("HEARTH_SECRETS", "/"), "HEARTH_SECRETS"},
		"loader":            {env("LD_PRELOAD", "/x.so"), "LD_PRELOAD"},
		"loader of another": {env("DYLD_INSERT_LIBRARIES", "/x"), "DYLD_INSERT_LIBRARIES"},
		"identity":          {env("OPENFAAS_NAME", "other"), "OPENFAAS_NAME"},
		"variable":          {env("A=B", "x"), "A=B"},
		"zero byte":         {env("A", "x\x00B=1"), "zero"},
		"memory":            {func(d *types.FunctionDeployment) { d.Limits = &types.FunctionResources{Memory: "lots"} }, "lots"},
		"memory of Docker":  {func(d *types.FunctionDeployment) { d.Limits = &types.FunctionResources{Memory: "128m"} }, "128Mi"},
		"cpu":               {func(d *types.FunctionDeployment) { d.Limits = &types.FunctionResources{CPU: "-1"} }, "-1"},
		"secret's path":     {func(d *types.FunctionDeployment) { d.Secrets = []string{"../encryption-key"} }, "encryption-key"},
		"pattern":           {func(d *types.FunctionDeployment) { d.Secrets = []string{"*"} }, "*"},
		"missing secret":    {tool(func(d *types.FunctionDeployment) { d.Secrets = []string{"nothing"} }), "faas-cli secret create nothing"},
		"our key":           {tool(func(d *types.FunctionDeployment) { d.Secrets = []string{"encryption-key"} }), "encryption-key"},
		"manifest":          {tool(func(d *types.FunctionDeployment) { d.Annotations = &map[string]string{manifest.Annotation: "{"} }), "manifest"},
		"another's manifest": {tool(func(d *types.FunctionDeployment) {
			d.Annotations = &map[string]string{manifest.Annotation: `{"id":"email_sender"}`}
		}), "plugin-email-sender"},
	} {
		spec := fine()
		c.change(&spec)
		for _, method := range []string{"POST", "PUT"} {
			code, got := r.system(method, "/system/functions", encoded(t, spec))
			if code != http.StatusBadRequest || !strings.Contains(got, c.says) {
				t.Errorf("%s: %s answers %d %s", name, method, code, got)
			}
		}
	}
	for body, want := range map[string]int{
		"": 400, "{": 400, "[]": 400, `{"service":7}`: 400, "null": 400,
		`{"service":"` + strings.Repeat("a", 1<<20) + `"}`: 413,
	} {
		if code, got := r.system("POST", "/system/functions", body); code != want {
			t.Errorf("%.20s… answers %d %s", body, code, got)
		}
	}
	if got := len(functions()); len(r.list()) != got {
		t.Errorf("%d functions are deployed, want %d", len(r.list()), got)
	}
}

func env(name, value string) func(*types.FunctionDeployment) {
	return func(d *types.FunctionDeployment) { d.EnvVars = map[string]string{name: value} }
}

// tool is change for a program that is not ours.
func tool(change func(*types.FunctionDeployment)) func(*types.FunctionDeployment) {
	return func(d *types.FunctionDeployment) {
		d.Image, d.EnvProcess = "acme/tool:1", ""
		change(d)
	}
}

func (r *rig) list() []types.FunctionStatus {
	r.t.Helper()
	list, err := r.client().GetFunctions(r.t.Context(), "")
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// TestEnvironmentNeedsAProcess is for a function that would run inside the provider. What a stack file leaves
// blank is the house's.
func TestEnvironmentNeedsAProcess(t *testing.T) {
	r := start(t, func(c *provider.Config) { c.Environ = append(c.Environ, "OPENAI_BASE_URL=ours") })
	spec := fine()
	spec.Service, spec.EnvProcess, spec.EnvVars = "echo", "", map[string]string{"colour": "red", "OPENAI_BASE_URL": ""}
	r.must("PUT", "/system/functions", encoded(t, spec))
	pid := r.pid()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if pid == os.Getpid() || err != nil || !strings.Contains(string(raw), "\x00colour=red\x00") || strings.Contains(string(raw), "OPENAI_BASE_URL=\x00") {
		t.Errorf("process %d has the environment %q, %v", pid, raw, err)
	}
	spec.EnvVars = nil
	r.must("PUT", "/system/functions", encoded(t, spec))
	if r.pid() != os.Getpid() {
		t.Error("without an environment it does not come back")
	}
}
