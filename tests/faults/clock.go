package faults

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"
)

// The clock of the ledger is Redis' own: its scripts ask for it, and so does the pump. Both are answered here with
// one that jumps, as a step of NTP makes it, or a failover to a server with another clock. How long keys live, Redis
// counts by itself: that does not jump.
const (
	clockKey  = "faults:clock" // milliseconds ahead, for the scripts
	clockName = "time"         // the point at which somebody asks for it
)

// ClockEdits give the scripts a clock that jumps.
var ClockEdits = [][2]string{{
	"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n",
	"local now = t[1] * 1000 + math.floor(t[2] / 1000) + (tonumber(redis.call('GET', '" + clockKey + "')) or 0)\n",
}}

// ScriptFile is where the scripts are.
const ScriptFile = "shared/ledger/scripts.lua"

// SetClock lets the store's clock be ahead, from now on. The bundle was built with ClockEdits.
func (c *Cluster) SetClock(ctx context.Context, ahead time.Duration) error {
	c.Proxy.ahead.Store(int64(ahead))
	return c.Redis.Client().Set(ctx, clockKey, ahead.Milliseconds(), 0).Err()
}

// later moves the answer to TIME: an array of seconds and microseconds, which keep their length.
func (f *frame) later(d time.Duration) error {
	if d == 0 || len(f.args) == 0 {
		return nil
	}
	seconds, err := strconv.ParseInt(f.args[0], 10, 64)
	if err != nil {
		return errors.New("TIME has no seconds")
	}
	f.raw = bytes.Replace(f.raw, []byte(f.args[0]), strconv.AppendInt(nil, seconds+int64(d/time.Second), 10), 1)
	return nil
}
