package ledger_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
)

// TestClockGoesBack leaves a store as it is when its clock has just gone back by an hour: what was due, and what was
// leased by a holder that is gone, would wait for an hour.
func TestClockGoesBack(t *testing.T) {
	url := "redis://" + ledgertest.Server(t)
	l, rdb := ledgertest.Dial(t, url), dialed(t, url)
	ctx, ready, leased, asleep := t.Context(), l.Session("ready"), l.Session("leased"), spawned(t, l)
	accept(t, l, ready, "a")
	accept(t, l, leased, "a")
	claim(t, l, leased)
	must(t, l.Wait(ctx, asleep.Claim, 2*time.Hour))
	must(t, l.KeepTime(ctx))
	before := score(t, rdb, asleep.Lane)
	must(t, l.KeepTime(ctx))
	if now := score(t, rdb, asleep.Lane); now != before {
		t.Errorf("time goes on, and a lane is due %s earlier", before-now)
	}

	for _, lane := range []ledger.Lane{ready, leased, asleep.Lane} {
		must(t, rdb.ZIncrBy(ctx, home(lane)+"due", float64(time.Hour.Milliseconds()), string(lane)).Err())
		mark, err := strconv.ParseInt(rdb.Get(ctx, home(lane)+"clk").Val(), 10, 64)
		must(t, err)
		must(t, rdb.Set(ctx, home(lane)+"clk", mark+time.Hour.Milliseconds(), 0).Err())
	}
	must(t, rdb.ZAdd(ctx, "h:pumps", redis.Z{Score: float64(time.Now().Add(time.Hour).UnixMilli()), Member: "gone"}).Err())
	if w, err := l.Claim(ctx, ready, ledger.NewOwner()); w != nil || err != nil {
		t.Fatal("it is due in an hour, and claimed", w, err)
	}
	must(t, l.KeepTime(ctx))
	if w, err := l.Claim(ctx, ready, ledger.NewOwner()); w == nil || err != nil {
		t.Error("what was due is not", err)
	}
	if in := score(t, rdb, leased) - time.Duration(time.Now().UnixMilli())*time.Millisecond; in > ledger.Lease {
		t.Errorf("a lease ends in %s", in)
	}
	if now := score(t, rdb, asleep.Lane); before-now > time.Minute {
		t.Errorf("a lane that sleeps is due %s earlier", before-now)
	}
	accept(t, l, ready, "b")
	for i := range 20 { // of the partitions that the other pump would have
		accept(t, l, l.Session(strconv.Itoa(i)), "a")
	}
	due, err := l.Due(ctx, "ours")
	if err != nil || len(due.Lanes) < 20 {
		t.Errorf("a pump that was alive an hour from now keeps %d of 20 lanes: %v", 20-len(due.Lanes), err)
	}
}

// TestLeaseOfAnotherTime takes a lease over that would last for longer than any may.
func TestLeaseOfAnotherTime(t *testing.T) {
	url := "redis://" + ledgertest.Server(t)
	l, rdb := ledgertest.Dial(t, url), dialed(t, url)
	ctx := t.Context()
	if _, held, err := l.Lease(ctx, "x", "one", time.Minute); !held || err != nil {
		t.Fatal(held, err)
	}
	if _, held, err := l.Lease(ctx, "x", "two", time.Minute); held || err != nil {
		t.Fatal("two hold a lease", err)
	}
	keys := rdb.Keys(ctx, "*lease*").Val()
	if len(keys) != 1 {
		t.Fatal(keys)
	}
	must(t, rdb.HIncrBy(ctx, keys[0], "till", time.Hour.Milliseconds()).Err())
	if _, held, err := l.Lease(ctx, "x", "two", time.Minute); !held || err != nil {
		t.Error("a lease of another time is kept", err)
	}
}

func dialed(t *testing.T, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { _ = rdb.Close() }) // the test is over
	return rdb
}

func home(lane ledger.Lane) string { return "h:{p" + string(lane)[1:3] + "}:" }

// score is when a lane is due, since 1970.
func score(t *testing.T, rdb *redis.Client, lane ledger.Lane) time.Duration {
	t.Helper()
	ms, err := rdb.ZScore(t.Context(), home(lane)+"due", string(lane)).Result()
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ms) * time.Millisecond
}
