package provider

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

func TestRetriesOf(t *testing.T) {
	annotated := func(pairs ...string) Deployment {
		d := Deployment{Annotations: map[string]string{}}
		for n := 0; n < len(pairs); n += 2 {
			d.Annotations["com.openfaas.retry."+pairs[n]] = pairs[n+1]
		}
		return d
	}
	proCodes := []int{429, 502, 500, 504, 408}
	for name, c := range map[string]struct {
		d     Deployment
		want  retries
		wrong bool
	}{
		"none":            {annotated(), retries{10, []int{429, 502, 503, 504}, time.Second, 2 * time.Minute}, false},
		"one":             {annotated("attempts", "3"), retries{3, proCodes, 10 * time.Second, 2 * time.Minute}, false},
		"all":             {annotated("attempts", "100", "codes", "418, 503", "min_wait", "1s", "max_wait", "1h"), retries{100, []int{418, 503}, time.Second, time.Hour}, false},
		"long first":      {annotated("min_wait", "5m"), retries{10, proCodes, 5 * time.Minute, 5 * time.Minute}, false},
		"short last":      {annotated("max_wait", "5s"), retries{10, proCodes, 5 * time.Second, 5 * time.Second}, false},
		"no wait":         {annotated("min_wait", "0s", "max_wait", "0s"), retries{10, proCodes, 0, 0}, false},
		"no attempts":     {annotated("attempts", "0"), pro, true},
		"many attempts":   {annotated("attempts", "101"), pro, true},
		"no code":         {annotated("codes", "418,teapot"), pro, true},
		"code too large":  {annotated("codes", "600"), pro, true},
		"no duration":     {annotated("min_wait", "10"), pro, true},
		"negative":        {annotated("max_wait", "-1s"), pro, true},
		"last over first": {annotated("min_wait", "1m", "max_wait", "1s"), pro, true},
		"one wrong":       {annotated("attempts", "many", "codes", "503"), retries{10, []int{503}, 10 * time.Second, 2 * time.Minute}, true},
	} {
		got, err := retriesOf(c.d)
		if got.attempts != c.want.attempts || !slices.Equal(got.codes, c.want.codes) || got.least != c.want.least || got.most != c.want.most {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if c.wrong != fault.Is(err, fault.Invalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestPause(t *testing.T) {
	r := retries{least: 10 * time.Second, most: time.Minute}
	for _, c := range []struct {
		attempts    int
		asked       time.Duration
		least, most time.Duration
	}{
		{1, 0, 10 * time.Second, 12500 * time.Millisecond},
		{2, 0, 20 * time.Second, 25 * time.Second},
		{3, 0, 40 * time.Second, 50 * time.Second},
		{4, 0, 45 * time.Second, time.Minute},
		{1000, 0, 45 * time.Second, time.Minute},
		{1, 5 * time.Second, 10 * time.Second, 12500 * time.Millisecond},
		{1, 10 * time.Minute, 10 * time.Minute, 10 * time.Minute},
		{1, 240 * time.Hour, time.Hour, time.Hour},
	} {
		seen := map[time.Duration]bool{}
		for range 200 {
			got := r.pause(c.attempts, c.asked)
			seen[got] = true
			if got < c.least || got > c.most {
				t.Fatalf("after %d attempts with %s asked: %s, want %s to %s", c.attempts, c.asked, got, c.least, c.most)
			}
		}
		if c.least < c.most && len(seen) < 100 {
			t.Errorf("after %d attempts all come back together: %d pauses of 200 differ", c.attempts, len(seen))
		}
	}
	if got := (retries{}).pause(3, 0); got != 0 {
		t.Errorf("no wait became %s", got)
	}
}

func TestAskedPause(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "": 0, "-1": 0, "soon": 0, "99999999999": 0,
		"Sun, 22 Nov 2026 09:00:30 GMT": 30 * time.Second, "Sun, 22 Nov 2026 08:00:00 GMT": 0,
	} {
		if got := askedPause(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q asks for %s, want %s", text, got, want)
		}
	}
}

// A name that leads to this machine is found out when it is called, and not only when it is given.
func TestOutsideIsOutside(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was called") }))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := outside.RoundTrip(r)
	if err == nil {
		resp.Body.Close()
	}
	if !fault.Is(err, fault.Forbidden) {
		t.Errorf("got %v", err)
	}
}
