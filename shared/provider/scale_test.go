package provider_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/provider"
)

// TestScaleToZero looks at how long a process lives without calls, by its labels.
func TestScaleToZero(t *testing.T) {
	for _, c := range []struct {
		labels string
		idle   time.Duration // 0 for ever
	}{
		{"", provider.DefaultIdle},
		{`"com.openfaas.scale.min":"0"`, provider.DefaultIdle},
		{`"com.openfaas.scale.min":"1"`, 0},
		{`"com.openfaas.scale.zero":"false"`, 0},
		{`"com.openfaas.scale.zero":"true","com.openfaas.scale.min":"1"`, provider.DefaultIdle},
		{`"com.openfaas.scale.zero-duration":"30s"`, 30 * time.Second},
		{`"com.openfaas.scale.zero":"true","com.openfaas.scale.zero-duration":"2h"`, 2 * time.Hour},
	} {
		t.Run(c.labels, func(t *testing.T) {
			r := start(t, processes)
			r.annotate("echo", "", c.labels)
			first := r.pid()
			if c.idle == 0 {
				r.Sweep(r.Now().Add(1000 * time.Hour))
				if r.pid() != first {
					t.Error("it was stopped")
				}
				return
			}
			r.Sweep(r.Now().Add(c.idle - time.Second))
			if r.pid() != first {
				t.Fatal("it was stopped too early")
			}
			r.Sweep(r.Now().Add(c.idle))
			r.gone("echo")
			if second := r.pid(); second == first {
				t.Error("it was not stopped")
			}
		})
	}
}

func TestMaxInflight(t *testing.T) {
	r := start(t, processes)
	r.must("PUT", "/system/functions", `{"service":"block","image":"hearth","envVars":{"max_inflight":"1"}}`)
	ctx, leave := context.WithCancel(t.Context())
	background(t, func() {
		if resp, err := http.DefaultClient.Do(r.request("POST", "/function/block", "").WithContext(ctx)); err == nil {
			resp.Body.Close()
			t.Error("the call was answered")
		}
	})
	r.counted(`gateway_function_invocation_started{function_name="block.openfaas-fn"} 1`)
	resp := r.do("POST", "/function/block/nothing", "")
	if err := fault.Read(resp); !fault.Is(err, fault.Limited) || resp.Header.Get("X-OpenFaaS-Internal") == "" {
		t.Errorf("a second call gave %v", err)
	}
	r.must("PUT", "/system/functions", `{"service":"block","image":"hearth","envVars":{"max_inflight":"0"}}`)
	if resp := r.do("POST", "/function/block/nothing", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("without a limit it answers %d", resp.StatusCode)
	}
	leave()
}

// counted waits for a line of the metrics.
func (r *rig) counted(line string) {
	r.t.Helper()
	for {
		if _, got := r.call("GET", "/metrics", ""); strings.Contains(got, line+"\n") {
			return
		}
		if r.t.Context().Err() != nil {
			r.t.Fatalf("no line %s", line)
		}
	}
}

// The queue makes no more calls than the function takes: none of them is refused.
func TestQueueKeepsMaxInflight(t *testing.T) {
	r := start(t, processes)
	r.must("PUT", "/system/functions", `{"service":"echo","image":"hearth","envVars":{"max_inflight":"3"}}`)
	for range 200 {
		if code, got := r.call("POST", "/async-function/echo", "x"); code != http.StatusAccepted {
			t.Fatalf("%d %s", code, got)
		}
	}
	r.counted(`gateway_function_invocation_total{code="200",function_name="echo.openfaas-fn"} 200`)
	if _, got := r.call("GET", "/metrics", ""); strings.Contains(got, `{code="429",function_name="echo`) {
		t.Error("a call was refused")
	}
}

func TestHTTPMetrics(t *testing.T) {
	r := start(t)
	r.do("GET", "/system/function/echo", "", basic())
	r.do("GET", "/system/function/nobody", "", basic())
	r.do("GET", "/system/functions", "")
	r.do("BREW", "/somewhere/else", "")
	r.do("POST", "/async-function/nobody/with/a/path", "")
	_, got := r.call("GET", "/metrics", "")
	for _, labels := range []string{
		`{method="GET",path="/system/function/{name}",status="200"}`,
		`{method="GET",path="/system/function/{name}",status="404"}`,
		`{method="POST",path="/async-function",status="404"}`,
		`{method="other",path="none",status="404"}`,
	} {
		for _, line := range []string{"http_requests_total" + labels + " 1", "http_request_duration_seconds_count" + labels + " 1"} {
			if !strings.Contains(got, line+"\n") {
				t.Errorf("no line %s", line)
			}
		}
	}
	if !strings.Contains(got, `status="401"} 1`) || strings.Contains(got, "nobody") {
		t.Errorf("the metrics are\n%s", got)
	}
}
