package provider_test

import (
	"net/http"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/provider"
)

// TestCancel takes back a call that waits for a retry, one that waits for a worker, one that runs, and a callback
// that nobody took.
func TestCancel(t *testing.T) {
	back, got := receiver(t, 503)
	entered, left := make(chan string, 10), make(chan string, 10)
	hold := handler("hold", func(w http.ResponseWriter, r *http.Request) {
		entered <- r.Header.Get("X-Call-Id")
		<-r.Context().Done()
		left <- r.Header.Get("X-Call-Id")
	})
	f, calls := recorder(503)
	r := start(t, serving(f, hold), func(c *provider.Config) { c.Inflight = 1 })
	accepted := func(id, name string, headers ...string) {
		t.Helper()
		if code, got := r.call("POST", "/async-function/"+name, "x", append(headers, "X-Call-Id: "+id)...); code != http.StatusAccepted {
			t.Fatalf("%d %s", code, got)
		}
	}
	cancel := func(path string, want int) {
		t.Helper()
		if code, got := r.call("DELETE", "/async-function/"+path, ""); code != want {
			t.Errorf("DELETE %s answers %d %s, want %d", path, code, got, want)
		}
	}
	accepted("retry", "record")
	<-calls
	<-r.timer
	cancel("record/retry", http.StatusAccepted)

	accepted("running", "hold")
	<-entered
	accepted("waiting", "hold")
	accepted("both", "hold")
	accepted("both", "record", "X-Callback-Url: "+back, basic())
	<-got
	<-r.timer
	cancel("waiting", http.StatusAccepted)
	cancel("both", http.StatusAccepted)
	cancel("both", http.StatusNotFound)
	cancel("running", http.StatusAccepted)
	if id := <-left; id != "running" {
		t.Errorf("the call %s was ended", id)
	}
	cancel("nothing", http.StatusNotFound)
	accepted("last", "hold")
	if id := <-entered; id != "last" {
		t.Errorf("the call %s came back", id)
	}
	cancel("last", http.StatusAccepted)
	<-left
	for _, f := range r.timers { // of what was taken back
		f()
	}
	r.end()
	if n := spooledCalls(t, r.data); n != 0 || len(entered) != 0 || len(got) != 0 || len(calls) != 1 {
		t.Errorf("left on disk: %d; came back: %d, %d callbacks, %d calls", n, len(entered), len(got), len(calls)-1)
	}
}

func TestCancelIsNoOpenDoor(t *testing.T) {
	f, calls := recorder(503)
	r := start(t, serving(f))
	r.call("POST", "/async-function/record", "x", "X-Call-Id: mine")
	<-calls
	<-r.timer
	for _, host := range []string{"hearth.example", "192.168.1.7"} {
		if err := fault.Read(r.do("DELETE", "/async-function/mine", "", "Host: "+host)); !fault.Is(err, fault.Forbidden) {
			t.Errorf("by %s: %v", host, err)
		}
		if code, _ := r.call("DELETE", "/async-function/nothing", "", "Host: "+host, basic()); code != http.StatusNotFound {
			t.Errorf("by %s with the password: %d", host, code)
		}
	}
	if code, _ := r.call("DELETE", "/async-function/mine", "", "Host: hearth.example", basic()); code != http.StatusAccepted {
		t.Errorf("with the password: %d", code)
	}
}
