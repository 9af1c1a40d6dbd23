package provider

import (
	"net/http"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
)

// TestLateCall is for a call that found its function just before that was replaced, or removed.
func TestLateCall(t *testing.T) {
	p := &Provider{env: fntest.Env(t, nil), metrics: newMetrics()}
	version := func() *service {
		return &service{deployment: Deployment{Name: "a"}, provider: p, metrics: p.metrics.of("a"), idle: make(chan struct{})}
	}
	first, second, third := version(), version(), version()
	taken, start, err := first.enter()
	if taken != first || err != nil {
		t.Fatalf("the first version does not take its call: %v", err)
	}
	first.retire(second)
	second.retire(third)
	if late, _, err := first.enter(); late != third || err != nil {
		t.Errorf("a late call went to another than the newest version: %v", err)
	}
	if got := third.invocations(); got != 2 {
		t.Errorf("the newest version counts %d calls", got)
	}
	select {
	case <-first.idle:
		t.Error("the first version is done with a call in flight")
	default:
	}
	taken.leave(start, http.StatusOK)
	<-first.idle
	<-second.idle
	third.retire(nil)
	if _, _, err := first.enter(); !fault.Is(err, fault.NotFound) {
		t.Errorf("after the removal a late call ends with %v", err)
	}
}
