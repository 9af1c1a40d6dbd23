package alert_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/alert"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
)

// TestOutageIsTold takes the store away: the web hook hears of it while it lasts, and people once it is back.
func TestOutageIsTold(t *testing.T) {
	node := redisdtest.Server(t)
	var w *tower
	r := receive(t, &w)
	w = open(t, "redis://"+node.Addr, map[string]string{"HEARTH_ALERT_URL": r.URL, "ALERT_WEBHOOK_SECRET": secret})
	w.here("op", policy.Operator, "en")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { w.teller.Run(ctx); close(ended) }()
	defer func() { stop(); <-ended }()
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "the hook hears", func(context.Context) error {
		w.later(10 * time.Second)
		if r.count() == 0 {
			return errors.New("nothing was posted")
		}
		return nil
	})
	if got := r.data[0]; got.Kind != alert.Store || !strings.HasPrefix(got.Text.En, "For ") {
		t.Errorf("%+v", got)
	}
	if err := node.Restart(); err != nil {
		t.Fatal(err)
	}
	var said []string
	until(t, "the chat hears", func(context.Context) error {
		if said = append(said, w.heard("op")...); len(said) == 0 {
			return errors.New("nothing was said")
		}
		return nil
	})
	if len(said) != 1 || !strings.Contains(said[0], "The store was away") {
		t.Errorf("%q", said)
	}
	if list := w.list(); len(list) != 1 || list[0].ID != r.data[0].ID {
		t.Errorf("%+v, and the hook heard of %s", list, r.data[0].ID)
	}
}

// TestAilingStoreIsTold once a day, and only while it is ailing.
func TestAilingStoreIsTold(t *testing.T) {
	node := redisdtest.Server(t)
	w := open(t, "redis://"+node.Addr, nil)
	look := func(after time.Duration, want int) {
		t.Helper()
		w.later(after)
		w.round()
		w.round()
		list := w.list()
		if len(list) != want {
			t.Fatalf("%d alerts, want %d: %+v", len(list), want, list)
		}
		for _, a := range list {
			if a.Kind != alert.Store || !strings.Contains(a.Text.En, "maxmemory-policy noeviction") {
				t.Errorf("%+v", a)
			}
		}
	}
	set := func(policy string) {
		t.Helper()
		if err := node.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
	}
	look(0, 0)
	set("allkeys-lru")
	look(time.Second, 0) // it is looked at once a minute
	look(time.Minute, 1)
	look(time.Hour, 1)
	look(24*time.Hour, 2)
	set("noeviction")
	look(24*time.Hour, 2)
}

func until(t *testing.T, what string, holds func(context.Context) error) {
	t.Helper()
	if err := redisdtest.Until(what, holds); err != nil {
		t.Fatal(err)
	}
}
