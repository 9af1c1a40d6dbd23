package main

import (
	"bytes"
	"strings"
	"testing"
)

const mixed = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood","Elapsed":0.1}
{"Action":"output","Package":"m/a","Test":"TestOld","Output":"=== RUN   TestOld\n"}
{"Action":"output","Package":"m/a","Test":"TestOld","Output":"    a_test.go:7: SKIP: no redis-server on the PATH (make dev-setup installs it)\n"}
{"Action":"output","Package":"m/a","Test":"TestOld","Output":"--- SKIP: TestOld (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestOld","Elapsed":0}
{"Action":"pass","Package":"m/a","Elapsed":1.25}
{"Action":"skip","Package":"m/nothing","Elapsed":0}
`

const bad = `{"Action":"output","Package":"m/b","Test":"TestBad","Output":"    b_test.go:3: wrong\n"}
{"Action":"fail","Package":"m/b","Test":"TestBad","Elapsed":0}
{"Action":"output","Package":"m/b","Test":"TestCutOff","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"m/b","Elapsed":0.5}
{"Action":"build-output","ImportPath":"m/c","Output":"c.go:1: no such thing\n"}
{"Action":"fail","Package":"m/c"}
`

func TestReport(t *testing.T) {
	for name, c := range map[string]struct {
		in    string
		well  bool
		says  []string
		never string
	}{
		"all is well":     {mixed, true, []string{"ok    m/a  1.2s", "1 packages passed, 0 failures", "\nSKIP  1 tests: no redis-server on the PATH (make dev-setup installs it)\n"}, "chatter"},
		"some is not":     {mixed + bad, false, []string{"b_test.go:3: wrong", "panic: test timed out", "c.go:1: no such thing", "FAIL  m/b TestBad", "FAIL  m/c", "SKIP  1 tests"}, "chatter"},
		"go has no words": {"pattern ./...: directory prefix . does not contain main module\n", false, []string{"does not contain main module"}, "ok"},
		"nothing":         {"", false, []string{"0 packages passed"}, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if well := report(strings.NewReader(c.in), &out); well != c.well {
				t.Errorf("well: %v", well)
			}
			for _, s := range c.says {
				if !strings.Contains(out.String(), s) {
					t.Errorf("no %q in\n%s", s, out.String())
				}
			}
			if strings.Contains(out.String(), c.never) {
				t.Errorf("%q in\n%s", c.never, out.String())
			}
		})
	}
}
