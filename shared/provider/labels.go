package provider

import (
	"errors"
	"strconv"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
)

// OpenFaaS' labels for how many instances a function has, and of-watchdog's setting for how many calls it takes.
const (
	minLabel          = "com.openfaas.scale.min"           // 1: it is never stopped for being idle
	zeroLabel         = "com.openfaas.scale.zero"          // false: likewise; true: it is, whatever min says
	zeroDurationLabel = "com.openfaas.scale.zero-duration" // the idle time until then, a Go duration
	inflightSetting   = "max_inflight"                     // in the function's environment; more calls get 429
)

// Bounds of the idle time that a label may ask for.
const (
	leastIdle = sweepEvery
	mostIdle  = 7 * 24 * time.Hour
)

// kept reports whether the function is never stopped for being idle. On OpenFaaS that is the default; here
// it has to be asked for, since a start costs milliseconds.
func (d Deployment) kept() bool {
	if zero, err := strconv.ParseBool(d.Labels[zeroLabel]); err == nil {
		return !zero
	}
	least, err := strconv.Atoi(d.Labels[minLabel])
	return err == nil && least > 0
}

// idle returns how long the function lives without calls: what its label says, else def.
func (d Deployment) idle(def time.Duration) time.Duration {
	text := d.Labels[zeroDurationLabel]
	if text == "" {
		return def
	}
	if idle, err := idleOf(text); err == nil {
		return idle
	}
	return def
}

func idleOf(text string) (time.Duration, error) {
	idle, err := time.ParseDuration(text)
	if err != nil || idle < leastIdle || idle > mostIdle {
		return 0, fault.New(fault.Invalid, "want a duration from %s to %s, not %.50q", leastIdle, mostIdle, text).At(zeroDurationLabel)
	}
	return idle, nil
}

// inflight returns how many calls the function takes at the same time, at most most.
func (d Deployment) inflight(most int) int {
	if n, err := strconv.Atoi(d.Env[inflightSetting]); err == nil && n > 0 {
		return min(n, most)
	}
	return most
}

// checkLabels says what is wrong with the labels and annotations that this provider reads. A function that is
// deployed is called nevertheless, as if they were not there.
func (d Deployment) checkLabels() error {
	_, retry := retriesOf(d)
	_, schedule := scheduleOf(d, time.UTC)
	return errors.Join(retry, schedule, d.checkScale(), d.checkInflight())
}

func (d Deployment) checkScale() error {
	if text := d.Labels[minLabel]; text != "" {
		if n, err := strconv.Atoi(text); err != nil || n < 0 {
			return fault.New(fault.Invalid, "want a number, not %.50q", text).At(minLabel)
		}
	}
	if text := d.Labels[zeroLabel]; text != "" {
		if _, err := strconv.ParseBool(text); err != nil {
			return fault.New(fault.Invalid, "want true or false, not %.50q", text).At(zeroLabel)
		}
	}
	if text := d.Labels[zeroDurationLabel]; text != "" {
		_, err := idleOf(text)
		return err
	}
	return nil
}

func (d Deployment) checkInflight() error {
	text := d.Env[inflightSetting]
	if n, err := strconv.Atoi(text); text != "" && (err != nil || n < 0) {
		return fault.New(fault.Invalid, "want a number, 0 for no limit, not %.50q", text).At(inflightSetting)
	}
	return nil
}
