package model_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test binary stand in for llama-server when it is started under that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "llama-server" {
		os.Exit(beLlamaServer(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// beLlamaServer does what the real one does with these arguments, as far as Serve sees it: 503 on /health
// while it loads. A model whose name has "broken" in it does not load.
func beLlamaServer(args []string) int {
	value := func(flag string) string { return args[slices.Index(args, flag)+1] }
	fmt.Println("loading", value("--model"))
	if strings.Contains(value("--model"), "broken") {
		fmt.Fprintln(os.Stderr, "error: tensor 'blk.0' has wrong shape")
		return 1
	}
	asked := 0
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/environment", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Environ(), args) })
	fmt.Fprintln(os.Stderr, http.ListenAndServe(value("--host")+":"+value("--port"), nil))
	return 1
}
