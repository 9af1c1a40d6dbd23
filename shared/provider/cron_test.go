package provider_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/provider"
)

// annotate deploys a function of the executable anew, with annotations and labels as JSON.
func (r *rig) annotate(name, annotations, labels string) {
	r.t.Helper()
	r.must("PUT", "/system/functions", fmt.Sprintf(`{"service":%q,"image":"hearth","annotations":{%s},"labels":{%s}}`, name, annotations, labels))
}

func onTime(schedule string) string {
	return fmt.Sprintf(`"topic":"cron-function","schedule":%q`, schedule)
}

// ticker is a function that reports its calls.
func ticker(name string) (f func(http.ResponseWriter, *http.Request), calls chan string) {
	calls = make(chan string, 100)
	return func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		calls <- strings.Join([]string{name, r.Method, r.URL.RequestURI(), string(raw), r.Header.Get("X-Topic"), r.Header.Get("X-Connector"), r.Host}, " ")
	}, calls
}

func TestCron(t *testing.T) {
	tick, calls := ticker("tick")
	r := start(t, serving(handler("tick", tick), handler("other", tick)))
	r.annotate("tick", onTime("*/2 9 * * *"), "")
	minute := func() { r.advance(time.Minute); r.Cron(r.Now()) }
	minute() // 9:01
	if len(calls) != 0 {
		t.Fatal("called at 9:01")
	}
	minute()
	if got := <-calls; got != "tick POST /  cron-function cron-connector 127.0.0.1:8080" {
		t.Errorf("the function saw %q", got)
	}
	for range 3 { // the same minute again, later in it, and with the clock set back: once is enough
		r.Cron(r.Now())
		r.Cron(r.Now().Add(59 * time.Second))
		r.Cron(r.Now().Add(-time.Second))
	}
	r.advance(time.Minute)
	r.Cron(r.Now().Add(time.Hour)) // a clock that jumps: one of the fires that were missed
	<-calls
	r.annotate("tick", onTime("@every 90s"), "") // another schedule from now on
	r.Cron(r.Now().Add(89 * time.Second))
	if len(calls) != 0 {
		t.Errorf("called too often: %q", <-calls)
	}
	r.Cron(r.Now().Add(90 * time.Second))
	<-calls
	r.annotate("tick", `"topic":"other"`, "")
	r.Cron(r.Now().Add(24 * time.Hour))
	r.annotate("tick", onTime("@hourly"), "")
	if code, got := r.system("DELETE", "/system/functions", `{"functionName":"tick"}`); code != http.StatusAccepted {
		t.Fatalf("%d %s", code, got)
	}
	r.Cron(r.Now().Add(24 * time.Hour))
	r.end()
	if len(calls) != 0 {
		t.Errorf("called without a schedule: %q", <-calls)
	}
}

// When to ask again is the next fire, or a minute later.
func TestCronZones(t *testing.T) {
	tick, calls := ticker("tick")
	r := start(t, serving(handler("tick", tick)), func(c *provider.Config) { c.Env.Lookup = settings("HEARTH_TIMEZONE=Asia/Shanghai") })
	// It is 9:00 in UTC, 17:00 in Shanghai and 10:00 in Berlin.
	for _, c := range []struct {
		schedule string
		after    time.Duration
	}{
		{"1 17 * * *", time.Minute},
		{"CRON_TZ=Europe/Berlin 1 10 * * *", time.Minute},
		{"TZ=UTC 30 9 * * 0", 30 * time.Minute},
		{"@hourly", time.Hour},
		{"@every 2h", 2 * time.Hour},
	} {
		r.annotate("tick", onTime(c.schedule), "")
		if ask := r.Cron(r.Now()); !ask.Equal(r.Now().Add(time.Minute)) {
			t.Errorf("%s: ask again at %s", c.schedule, ask)
		}
		if ask, want := r.Cron(r.Now().Add(c.after-time.Second)), r.Now().Add(c.after); !ask.Equal(want) || len(calls) != 0 {
			t.Errorf("%s: ask again at %s, want %s; %d calls", c.schedule, ask, want, len(calls))
		}
		r.Cron(r.Now().Add(c.after))
		<-calls
	}
}

// settings is a Lookup of these, as NAME=value.
func settings(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		i := slices.IndexFunc(pairs, func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
		if i < 0 {
			return "", false
		}
		return pairs[i][len(name)+1:], true
	}
}

// What a deployment asks for and cannot have is refused with the place and the reason; nothing is passed over.
func TestRefusedWishes(t *testing.T) {
	r := start(t)
	for _, c := range []struct{ annotations, labels, env, field string }{
		{onTime("61 * * * *"), "", "", "schedule"},
		{onTime("CRON_TZ=Mars/Olympus * * * * *"), "", "", "schedule"},
		{onTime("* * * * * *"), "", "", "schedule"},
		{onTime("@every 30s"), "", "", "schedule"},
		{onTime("@every soon"), "", "", "schedule"},
		{onTime("0 0 31 2 *"), "", "", "schedule"},
		{`"com.openfaas.retry.attempts":"ten"`, "", "", "com.openfaas.retry.attempts"},
		{`"com.openfaas.retry.codes":"5xx"`, "", "", "com.openfaas.retry.codes"},
		{`"com.openfaas.retry.min_wait":"10"`, "", "", "com.openfaas.retry.min_wait"},
		{"", `"com.openfaas.scale.min":"some"`, "", "com.openfaas.scale.min"},
		{"", `"com.openfaas.scale.zero":"perhaps"`, "", "com.openfaas.scale.zero"},
		{"", `"com.openfaas.scale.zero-duration":"1"`, "", "com.openfaas.scale.zero-duration"},
		{"", `"com.openfaas.scale.zero-duration":"1ms"`, "", "com.openfaas.scale.zero-duration"},
		{"", "", `"max_inflight":"all"`, "max_inflight"},
	} {
		code, got := r.system("PUT", "/system/functions", fmt.Sprintf(`{"service":"echo","image":"hearth","annotations":{%s},"labels":{%s},"envVars":{%s}}`, c.annotations, c.labels, c.env))
		if code != http.StatusBadRequest || !strings.Contains(got, fmt.Sprintf(`"field":%q`, c.field)) {
			t.Errorf("%+v: %d %s", c, code, got)
		}
	}
	r.annotate("echo", onTime("*/5 * * * *")+`,"com.openfaas.retry.attempts":"3"`, `"com.openfaas.scale.min":"1","com.openfaas.scale.zero":"true","com.openfaas.scale.zero-duration":"15m"`)
}
