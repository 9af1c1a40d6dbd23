package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openfaas/go-sdk/builder"
	"github.com/openfaas/go-sdk/stack"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// TestTemplates builds what faas-cli new makes of each template, in the context that faas-cli build makes of
// that: by the commands of its Dockerfile, without network.
func TestTemplates(t *testing.T) {
	extra := read(t, "stack.yml").StackConfiguration.CopyExtraPaths
	t.Chdir(root)
	for _, name := range []string{"plugin-go", "adapter-go"} {
		t.Run(name, func(t *testing.T) {
			template, err := stack.ParseYAMLForLanguageTemplate("template/" + name + "/template.yml")
			if err != nil || template.Language != name || template.FProcess == "" {
				t.Fatalf("%+v %v", template, err)
			}
			handler := "template/" + name + "/function"
			context, err := builder.CreateBuildContext("thing", handler, name, extra, builder.WithBuildDir(t.TempDir()))
			if err != nil {
				t.Fatal(err)
			}
			program := build(t, context)
			out, err := exec.Command(program, "manifest").Output()
			if name != "plugin-go" {
				return
			}
			var m manifest.Manifest
			if err != nil || json.Unmarshal(out, &m) != nil || m.ID != "greeting" {
				t.Errorf("its manifest: %v %s", err, out)
			}
		})
	}
}

// build runs what the Dockerfile runs, where it does, and returns the program.
func build(t *testing.T, context string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(context, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	stage, _, found := strings.Cut(string(raw), "\nFROM ")
	if !found || !strings.Contains(stage, "COPY function/go.mod function/go.sum ./\n") || !strings.Contains(stage, "COPY function/ ./\n") {
		t.Fatalf("another Dockerfile:\n%s", raw)
	}
	program := filepath.Join(t.TempDir(), "function")
	ran := 0
	for line := range strings.Lines(stage) {
		command, isRun := strings.CutPrefix(strings.TrimSpace(line), "RUN ")
		if !isRun || command == "go mod download" { // that is for the network
			continue
		}
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(command, "-o /function", "-o "+program))
		cmd.Dir = filepath.Join(context, "function")
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly -trimpath", "GOWORK=off", "TARGETOS=", "TARGETARCH=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		ran++
	}
	if ran != 2 {
		t.Errorf("%d commands", ran)
	}
	return program
}
