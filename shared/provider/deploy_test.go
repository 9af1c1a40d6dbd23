package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openfaas/faas-provider/types"
	sdk "github.com/openfaas/go-sdk"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
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

func TestImages(t *testing.T) {
	r := start(t, foreign("registry:5000/acme/tool", "acme/pinned:1.2", "acme/exact:1@sha256:ab", "acme/digest@sha256:cd"))
	for image, found := range map[string]bool{
		"hearth": true, "hearth:1.2": true, "ghcr.io/acme/hearth:1": true, "localhost:5000/hearth@sha256:00": true, "a/hearth:1@sha256:00": true,
		"registry:5000/acme/tool": true, "registry:5000/acme/tool:9": true, "registry:5000/acme/tool:9@sha256:00": true,
		"acme/pinned:1.2": true, "acme/pinned:1.2@sha256:00": true, "acme/pinned:1.3": false, "acme/pinned": false,
		"acme/exact:1@sha256:ab": true, "acme/exact:1@sha256:00": false, "acme/digest:7@sha256:cd": true, "acme/digest": false,
		"hearth/other": false, "nginx:latest": false, "nothearth": false, "hearthy:1": false,
	} {
		spec := fine()
		spec.Image = image
		if !strings.HasSuffix(strings.Split(strings.Split(image, "@")[0], ":")[0], "hearth") {
			spec.EnvVars = map[string]string{"role": "echo"}
		}
		code, got := r.system("POST", "/system/functions", encoded(t, spec))
		if found != (code == http.StatusAccepted) || !found && (code != http.StatusBadRequest || !strings.Contains(got, "HEARTH_IMAGES")) {
			t.Errorf("%s answers %d %s", image, code, got)
		}
		if !found {
			continue
		}
		if code, got := r.call("POST", "/function/mine", "hi"); code != 200 || got != "hi" {
			t.Errorf("%s: a call answers %d %s", image, code, got)
		}
		r.must("DELETE", "/system/functions", `{"functionName":"mine"}`)
	}
}

func TestProcesses(t *testing.T) {
	r := start(t)
	for process, code := range map[string]int{
		"hearth fn sink": 202, "./hearth fn sink": 202, "/usr/bin/hearth  fn  sink": 202,
		"": 400, "hearth fn nobody": 400, "hearth fn": 400, "sh -c x": 400, "other fn sink": 400, "hearth up sink": 400,
	} {
		spec := fine()
		spec.EnvProcess = process
		if got, text := r.system("POST", "/system/functions", encoded(t, spec)); got != code {
			t.Errorf("%q answers %d %s", process, got, text)
		} else if code == 202 {
			r.must("DELETE", "/system/functions", `{"functionName":"mine"}`)
		}
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

// TestForeignPlugin deploys a plugin that is not part of the executable, as faas-cli does: planners find it
// by its annotation, and it gets the public key and its secrets, and nothing of ours.
func TestForeignPlugin(t *testing.T) {
	r := start(t, foreign("acme/weather"), func(c *provider.Config) {
		c.Environ = []string{"ENCRYPTION_KEY=canary", "REDIS_URL=canary", "OPENAI_API_KEY=canary", "TZ=Asia/Shanghai"}
	})
	r.secret("weather-key", "sunny")
	r.secret("slack-bot-token", "canary")
	m := `{"id":"weather","title":{"en":"Weather","zh":"天气"},"effect":"read","limits":{"memory_bytes":134217728}}`
	spec := types.FunctionDeployment{
		Service: "plugin-weather", Image: "acme/weather:1.0", EnvProcess: "./weather", Secrets: []string{"weather-key", provider.CallKeySecret},
		EnvVars: map[string]string{"role": "plugin-probe", "PATH": "/evil"}, Annotations: &map[string]string{manifest.Annotation: m},
	}
	if code, err := r.client().Deploy(t.Context(), spec); code != 202 || err != nil {
		t.Fatalf("Deploy answers %d, %v", code, err)
	}
	i := slices.IndexFunc(r.list(), func(s types.FunctionStatus) bool { return s.Name == "plugin-weather" })
	if got := (*r.list()[i].Annotations)[manifest.Annotation]; got != m {
		t.Errorf("its annotation is %s", got)
	}
	_, got := r.call("GET", "/function/plugin-weather", "")
	for _, want := range []string{
		"secret hearth-call-key ", "secret weather-key -rw------- sunny\n", "env fprocess=./weather\n", "env role=plugin-probe\n", "env TZ=Asia/Shanghai\n",
		"env GOMEMLIMIT=134217728\n", "env OPENFAAS_NAME=plugin-weather\n", "dir " + filepath.Join(r.data, "work", "plugin-weather"),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, canary := range []string{"canary", "PATH=/evil"} {
		if strings.Contains(got, canary) {
			t.Errorf("it sees %q:\n%s", canary, got)
		}
	}
	r.must("DELETE", "/system/functions", `{"functionName":"plugin-weather"}`)
	r.end()
	for _, use := range []string{"grants", "work"} {
		if _, err := os.Stat(filepath.Join(r.data, use, "plugin-weather")); !os.IsNotExist(err) {
			t.Errorf("%s of a removed plugin stays: %v", use, err)
		}
	}
}

func TestForeignProgramHasNoName(t *testing.T) {
	r := start(t, foreign("acme/tool"), func(c *provider.Config) { c.Environ = []string{"ENCRYPTION_KEY=canary", "REDIS_URL=canary"} })
	spec := types.FunctionDeployment{Service: "system-tool", Image: "acme/tool", EnvVars: map[string]string{"role": "plugin-probe"}}
	r.must("POST", "/system/functions", encoded(t, spec))
	if _, got := r.call("GET", "/function/system-tool", ""); strings.Contains(got, "canary") || !strings.Contains(got, "secret hearth-call-key") {
		t.Errorf("a program that is not ours, under the name of ours, sees\n%s", got)
	}
}

func TestOwnPluginKeepsItsManifest(t *testing.T) {
	r := start(t, func(c *provider.Config) { c.Environ = []string{"DATABASE_URL=sqlite:x", "ENCRYPTION_KEY=canary"} })
	before := (*r.describe("plugin-probe").Annotations)[manifest.Annotation]
	spec := types.FunctionDeployment{
		Service: "plugin-probe", Image: "ghcr.io/acme/hearth:2", Annotations: &map[string]string{manifest.Annotation: "{}", "a": "b"},
		EnvVars: map[string]string{"colour": "red", "DATABASE_URL": "sqlite:theirs"}, Limits: &types.FunctionResources{Memory: "64Mi", CPU: "1500m"},
	}
	r.must("PUT", "/system/functions", encoded(t, spec))
	after := r.describe("plugin-probe")
	if (*after.Annotations)[manifest.Annotation] != before || (*after.Annotations)["a"] != "b" || after.Image != spec.Image {
		t.Errorf("it is %+v", after)
	}
	_, got := r.call("GET", "/function/plugin-probe", "")
	for _, want := range []string{"env colour=red\n", "env DATABASE_URL=sqlite:theirs\n", "env GOMEMLIMIT=67108864\n", "env GOMAXPROCS=2\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "canary") {
		t.Errorf("it sees\n%s", got)
	}
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

// TestUpdateKeepsCalls has a call in flight while its function is replaced.
func TestUpdateKeepsCalls(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		answered := make(chan string, 1)
		background(t, func() { answered <- r.cut("/function/block") })
		r.call("GET", "/function/block/entered", "")
		spec := fine()
		spec.Service, spec.EnvProcess = "block", "hearth fn block"
		spec.Annotations = &map[string]string{"version": "2"}
		r.must("PUT", "/system/functions", encoded(t, spec))

		// The new version blocks on its own: the old call is still with the old one.
		second := make(chan string, 1)
		background(t, func() {
			_, got := r.call("POST", "/function/block", "")
			second <- got
		})
		r.call("GET", "/function/block/entered", "")
		r.call("POST", "/function/block/release", "")
		if got := <-second; got != "released" {
			t.Errorf("the new version says %q", got)
		}
		select {
		case got := <-answered:
			t.Fatalf("the old version's call ended with %q", got)
		default:
		}
		r.end() // the drain time cuts it
		<-answered
	}, func(c *provider.Config) { c.Drain = 1 })
}

// TestUpdateFinishesCalls is the same with an end: the old process answers, and only then goes.
func TestUpdateFinishesCalls(t *testing.T) {
	r := start(t, processes)
	body := newPipe()
	answered := make(chan string, 1)
	background(t, func() {
		req := r.request("POST", "/function/sink", "")
		req.Body, req.ContentLength = body, -1
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		answered <- text(t, resp)
	})
	body.send("first ")
	<-body.taken // the call is under way
	old := instanceWhen(t, r, "sink")
	spec := fine()
	spec.Service, spec.EnvProcess = "sink", ""
	r.must("PUT", "/system/functions", encoded(t, spec))
	if _, got := r.call("POST", "/function/sink", "new"); got != "new" {
		t.Errorf("the new version answers %q", got)
	}
	body.send("last")
	body.end()
	if got := <-answered; got != "first last" {
		t.Errorf("the old version answered %q", got)
	}
	for alive(old) {
		if t.Context().Err() != nil {
			t.Fatal("the old process stays")
		}
	}
}

// TestUpdatesUnderLoad updates a function again and again, two at a time, while it is called.
func TestUpdatesUnderLoad(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		stop := make(chan struct{})
		var callers, updaters sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					body := fmt.Sprint(n)
					if code, got := r.call("POST", "/function/echo", body); code != 200 || got != body {
						t.Errorf("call %d answers %d %s", n, code, got)
						return
					}
				}
			})
		}
		for u := range 2 {
			updaters.Go(func() {
				for n := range 5 {
					spec := fine()
					spec.Service, spec.EnvProcess = "echo", ""
					spec.Annotations = &map[string]string{"version": fmt.Sprint(u, n)}
					if code, got := r.system("PUT", "/system/functions", encoded(t, spec)); code != 202 {
						t.Errorf("an update answers %d %s", code, got)
					}
				}
			})
		}
		updaters.Wait()
		close(stop)
		callers.Wait()
	})
}

// TestQueuedCallReachesTheNewVersion has an async call wait for its next attempt during an update.
func TestQueuedCallReachesTheNewVersion(t *testing.T) {
	reached := make(chan struct{})
	r := start(t, serving(
		handler("mail", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }),
		handler("mended", func(http.ResponseWriter, *http.Request) { close(reached) }),
	))
	if code, _ := r.call("POST", "/async-function/mail", "x"); code != http.StatusAccepted {
		t.Fatalf("the call answers %d", code)
	}
	<-r.timer // the first attempt failed
	r.timer <- struct{}{}
	r.must("PUT", "/system/functions", `{"service":"mail","image":"hearth","envProcess":"hearth fn mended"}`)
	r.fire()
	<-reached
	if got := r.describe("mail").InvocationCount; got != 2 {
		t.Errorf("it was called %v times", got)
	}
}

// TestUpdateEndsStreams is for calls that never end: their clients come back to the new version.
func TestUpdateEndsStreams(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		resp := r.do("GET", "/function/stream", "", "Accept: text/event-stream")
		r.must("PUT", "/system/functions", `{"service":"stream","image":"hearth"}`)
		if got := text(t, resp); got != "" {
			t.Errorf("the stream ended with %q", got)
		}
		again := r.do("GET", "/function/stream", "")
		r.call("POST", "/function/stream/next", "")
		first := make([]byte, 7)
		if _, err := io.ReadFull(again.Body, first); err != nil || string(first) != "data: 1" {
			t.Errorf("the new stream begins with %q, %v", first, err)
		}
	}, func(c *provider.Config) { c.Drain = 50 * time.Millisecond })
}

func TestBrokenUpdateChangesNothing(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		first := r.pid()
		spec := fine()
		spec.Service, spec.EnvProcess = "echo", "hearth fn broken"
		code, got := r.system("PUT", "/system/functions", encoded(t, spec))
		if code != http.StatusServiceUnavailable || !strings.Contains(got, "the version before stays") {
			t.Errorf("it answers %d %s", code, got)
		}
		if second := r.pid(); second != first || r.describe("echo").EnvProcess != "" {
			t.Errorf("process %d instead of %d answers, as %q", second, first, r.describe("echo").EnvProcess)
		}
		r.end()
		if _, err := os.Stat(filepath.Join(r.data, "deployments.json")); !os.IsNotExist(err) {
			t.Errorf("it was recorded: %v", err)
		}
	})
}

func TestDeleteDuringACall(t *testing.T) {
	placed(t, func(t *testing.T, r *rig) {
		answered := make(chan string, 1)
		background(t, func() { answered <- r.cut("/function/block") })
		r.call("GET", "/function/block/entered", "")
		r.must("DELETE", "/system/functions", `{"functionName":"block"}`)
		if code, _ := r.call("POST", "/function/block/release", ""); code != http.StatusNotFound {
			t.Errorf("a removed function answers %d", code)
		}
		select {
		case got := <-answered:
			t.Fatalf("the call in flight ended with %q", got)
		default:
		}
		// It can come back at once, beside what is left of it.
		spec := fine()
		spec.Service, spec.EnvProcess = "block", ""
		r.must("POST", "/system/functions", encoded(t, spec))
		background(t, func() { r.cut("/function/block") })
		r.call("GET", "/function/block/entered", "")
		r.call("POST", "/function/block/release", "")
		r.end()
		<-answered
	}, func(c *provider.Config) { c.Drain = 1 })
}

// TestRemovedFunctionEnds is for what an inline function started besides its calls.
func TestRemovedFunctionEnds(t *testing.T) {
	ended := make(chan struct{})
	f := fn.Function{Name: "worker", New: func(ctx context.Context, _ *fn.Env) (http.Handler, error) {
		context.AfterFunc(ctx, func() { close(ended) })
		return http.NotFoundHandler(), nil
	}}
	r := start(t, serving(f))
	r.call("GET", "/function/worker", "")
	r.must("DELETE", "/system/functions", `{"functionName":"worker"}`)
	<-ended
	r.gone("worker")
}

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
