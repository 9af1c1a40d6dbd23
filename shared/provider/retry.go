package provider

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// The annotations that say how the async calls of a function are made again, as OpenFaaS Pro reads them.
const (
	retryAttempts = "com.openfaas.retry.attempts" // calls in all
	retryCodes    = "com.openfaas.retry.codes"    // statuses, separated by commas
	retryMinWait  = "com.openfaas.retry.min_wait" // the first pause, a Go duration
	retryMaxWait  = "com.openfaas.retry.max_wait" // the longest pause
)

// Bounds of what the annotations may say.
const (
	mostAttempts = 100
	mostWait     = 24 * time.Hour
)

// maxAsked bounds how long a pause an answer may ask for with Retry-After.
const maxAsked = time.Hour

// retries says how often something is tried, after which statuses, and with which pauses.
type retries struct {
	attempts    int
	codes       []int
	least, most time.Duration
}

// ours is how calls of a function without annotations are made again: after the statuses that say "later".
var ours = retries{
	attempts: 10, least: time.Second, most: 2 * time.Minute,
	codes: []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout},
}

// pro fills what the annotations of a function leave out: the defaults of OpenFaaS Pro's queue worker.
var pro = retries{
	attempts: 10, least: 10 * time.Second, most: 2 * time.Minute,
	codes: []int{
		http.StatusTooManyRequests, http.StatusBadGateway, http.StatusInternalServerError, http.StatusGatewayTimeout,
		http.StatusRequestTimeout,
	},
}

// retriesOf reads a deployment's annotations. With an error come the retries that hold nevertheless.
func retriesOf(d Deployment) (retries, error) {
	given := func(name string) bool { return d.Annotations[name] != "" }
	if !slices.ContainsFunc([]string{retryAttempts, retryCodes, retryMinWait, retryMaxWait}, given) {
		return ours, nil
	}
	r := pro
	var err error
	for _, read := range []func(Deployment) error{r.readAttempts, r.readCodes, r.readWaits} {
		if e := read(d); e != nil && err == nil {
			err = e
		}
	}
	return r, err
}

func (r *retries) readAttempts(d Deployment) error {
	text := d.Annotations[retryAttempts]
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostAttempts {
		return fault.New(fault.Invalid, "want a number from 1 to %d, not %.50q", mostAttempts, text).At(retryAttempts)
	}
	r.attempts = n
	return nil
}

func (r *retries) readCodes(d Deployment) error {
	text := d.Annotations[retryCodes]
	if text == "" {
		return nil
	}
	var codes []int
	for part := range strings.SplitSeq(text, ",") {
		code, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || code < 100 || code > 599 {
			return fault.New(fault.Invalid, "want statuses such as 429,503, not %.50q", text).At(retryCodes)
		}
		codes = append(codes, code)
	}
	r.codes = codes
	return nil
}

func (r *retries) readWaits(d Deployment) error {
	least, most := r.least, r.most
	for name, wait := range map[string]*time.Duration{retryMinWait: &least, retryMaxWait: &most} {
		text := d.Annotations[name]
		if text == "" {
			continue
		}
		var err error
		if *wait, err = time.ParseDuration(text); err != nil || *wait < 0 || *wait > mostWait {
			return fault.New(fault.Invalid, "want a duration such as 30s, up to %s, not %.50q", mostWait, text).At(name)
		}
	}
	if d.Annotations[retryMinWait] == "" {
		least = min(least, most)
	}
	if most < least {
		if d.Annotations[retryMaxWait] != "" {
			return fault.New(fault.Invalid, "%s is less than %s", most, least).At(retryMaxWait)
		}
		most = least
	}
	r.least, r.most = least, most
	return nil
}

// after reports whether a call that was answered with code comes again.
func (r retries) after(code int) bool { return slices.Contains(r.codes, code) }

// pause returns the time until the next try: it doubles with each one, and is no shorter than what the
// answer asked for. It is spread, so that calls which failed together do not come back together.
func (r retries) pause(attempts int, asked time.Duration) time.Duration {
	pause := r.least
	for n := 1; n < attempts && pause < r.most; n++ {
		pause *= 2
	}
	pause = min(pause, r.most)
	if spread := rand.N(pause/4 + 1); pause+spread <= r.most {
		pause += spread
	} else {
		pause -= min(spread, pause-r.least)
	}
	return max(pause, min(asked, maxAsked))
}

// askedPause reads Retry-After, which is a number of seconds or a date (RFC 9110, section 10.2.3).
func askedPause(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
