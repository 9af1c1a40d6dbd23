package redisdtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
)

func TestSentinelReplacesItsMaster(t *testing.T) {
	t.Parallel()
	f := redisdtest.Sentinel(t)
	old, err := f.Master(t.Context())
	if err != nil || old != f.Nodes[0] {
		t.Fatal(old, err)
	}
	if err := old.Kill(); err != nil {
		t.Fatal(err)
	}
	replaced := func(ctx context.Context) error {
		n, err := f.Master(ctx)
		if err == nil && n == old {
			return fmt.Errorf("still %s", n.Addr)
		}
		return err
	}
	if err := redisdtest.Until("another master is there", replaced); err != nil {
		t.Fatal(err)
	}
}

func TestClusterReplacesAMaster(t *testing.T) {
	t.Parallel()
	c := redisdtest.Cluster(t, 1)
	old, err := c.Master(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Kill(); err != nil {
		t.Fatal(err)
	}
	replaced := func(ctx context.Context) error {
		n, err := c.Master(ctx, "key")
		if err == nil && n == old {
			return fmt.Errorf("still %s", n.Addr)
		}
		return err
	}
	if err := redisdtest.Until("another master is there", replaced); err != nil {
		t.Fatal(err)
	}
}

func TestCutAOF(t *testing.T) {
	t.Parallel()
	n := redisdtest.Server(t, "--appendfsync", "always")
	for i := range 10 {
		if err := n.Set(t.Context(), fmt.Sprint("key", i), "value", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := n.CutAOF(50); err != nil {
		t.Fatal(err)
	}
	if err := n.Restart(); err != nil {
		t.Fatal(err)
	}
	if left, err := n.DBSize(t.Context()).Result(); err != nil || left == 0 || left == 10 {
		t.Errorf("%d of 10 keys are left: %v", left, err)
	}
}
