package ledger_test

import (
	"context"
	"os"
	"testing"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
)

// lasting are the stores that take seconds to start. They are started once, by the first test that wants one.
var lasting struct {
	dir      string
	failover *redisdtest.Failover
	cluster  *redisdtest.Sharded
}

func TestMain(m *testing.M) {
	var err error
	if lasting.dir, err = os.MkdirTemp("", "hearth-ledger"); err != nil {
		panic(err)
	}
	code := m.Run()
	if lasting.failover != nil {
		lasting.failover.Stop()
	}
	if lasting.cluster != nil {
		lasting.cluster.Stop()
	}
	_ = os.RemoveAll(lasting.dir) // in the system's folder for what may go
	os.Exit(code)
}

// each runs a test on every kind of store. Each starts empty.
func each(t *testing.T, test func(t *testing.T, l *ledger.Ledger)) {
	t.Run("in process", func(t *testing.T) { test(t, ledgertest.Open(t)) })
	t.Run("redis-server", func(t *testing.T) { test(t, ledgertest.Real(t)) })
	t.Run("sentinel", func(t *testing.T) { test(t, ledgertest.Dial(t, sentinel(t))) })
	t.Run("cluster", func(t *testing.T) { test(t, ledgertest.Dial(t, cluster(t))) })
}

// sentinel returns the URL of an empty store of one master and two replicas.
func sentinel(t *testing.T) string {
	t.Helper()
	redisdtest.Need(t)
	if lasting.failover == nil {
		f, err := redisdtest.StartSentinel(lasting.dir + "/sentinel")
		if err != nil {
			t.Fatal(err)
		}
		lasting.failover = f
	}
	empty(t, lasting.failover.Nodes[:1])
	return lasting.failover.URL
}

// cluster returns the URL of an empty cluster of three masters with a replica each.
func cluster(t *testing.T) string {
	t.Helper()
	redisdtest.Need(t)
	if lasting.cluster == nil {
		c, err := redisdtest.StartCluster(lasting.dir+"/cluster", 1)
		if err != nil {
			t.Fatal(err)
		}
		lasting.cluster = c
	}
	empty(t, lasting.cluster.Nodes[:3])
	return lasting.cluster.URL
}

// empty forgets what an earlier test left on these masters.
func empty(t *testing.T, masters []*redisdtest.Node) {
	t.Helper()
	for _, n := range masters {
		if err := n.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
