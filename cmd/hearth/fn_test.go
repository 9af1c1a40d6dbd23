package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fn/fntest"
)

// TestServed finds the function to serve: by argument, as a stack file says it, and as a Lambda handler.
func TestServed(t *testing.T) {
	for _, tt := range []struct {
		args     []string
		settings map[string]string
		want     string
	}{
		{[]string{"system-pump"}, map[string]string{"fprocess": "hearth fn system-tasks"}, "system-pump"},
		{nil, map[string]string{"fprocess": "hearth fn system-tasks", "_HANDLER": "fn.system-pump"}, "system-tasks"},
		{nil, map[string]string{"_HANDLER": "fn.planner-intent"}, "planner-intent"},
		{nil, map[string]string{"fprocess": "hearth fn plugins"}, "plugins"},
		{nil, map[string]string{"fprocess": "python index.py"}, ""},
		{nil, map[string]string{"_HANDLER": "fn.nothing"}, ""},
		{nil, nil, ""},
	} {
		f, err := served(fntest.Env(t, tt.settings), tt.args)
		if f.Name != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%v %v: %q %v", tt.args, tt.settings, f.Name, err)
		}
	}
}

// TestOnLambda starts without arguments, and tells Lambda why it cannot.
func TestOnLambda(t *testing.T) {
	refused := make(chan string, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		refused <- r.URL.Path + " " + string(body)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(api.Close)
	t.Setenv("AWS_LAMBDA_RUNTIME_API", strings.TrimPrefix(api.URL, "http://"))
	t.Setenv("_HANDLER", "fn.nothing")
	var said bytes.Buffer
	a := &app{out: &said, err: &said, lookup: os.LookupEnv}
	if code := a.run(t.Context(), nil); code != 3 {
		t.Errorf("exit code %d: %s", code, &said)
	}
	if got := <-refused; !strings.HasPrefix(got, "/2018-06-01/runtime/init/error ") || !strings.Contains(got, "nothing") {
		t.Error(got)
	}
}
