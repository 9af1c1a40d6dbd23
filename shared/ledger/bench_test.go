package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
)

// BenchmarkAccept prints the median time of an accept alone and with a replica that confirms it, above that of
// a PING. Each is one round trip.
func BenchmarkAccept(b *testing.B) {
	alone := redisdtest.Server(b)
	b.Run("ping", func(b *testing.B) {
		median(b, func() error { return alone.Ping(b.Context()).Err() })
	})
	b.Run("alone", func(b *testing.B) { accepts(b, alone) })
	b.Run("confirmed", func(b *testing.B) {
		master := redisdtest.Server(b)
		redisdtest.Server(b, "--replicaof", strings.Replace(master.Addr, ":", " ", 1))
		filled := func(ctx context.Context) error {
			info, err := master.Info(ctx, "replication").Result()
			if err == nil && !strings.Contains(info, "state=online") {
				err = fmt.Errorf("%.200s", info)
			}
			return err
		}
		if err := redisdtest.Until("the replica is filled", filled); err != nil {
			b.Fatal(err)
		}
		accepts(b, master)
	})
}

func accepts(b *testing.B, n *redisdtest.Node) {
	l := ledgertest.Dial(b, "redis://"+n.Addr)
	i := 0
	median(b, func() error {
		i++
		key := fmt.Sprint(i)
		_, err := l.Accept(b.Context(), ledger.Message{Lane: l.Session(fmt.Sprint(i / 32)), Key: key, Body: []byte(key)})
		return err
	})
}

// median calls work one after another and reports the median of what it took.
func median(b *testing.B, work func() error) {
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := work(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs/median")
}
