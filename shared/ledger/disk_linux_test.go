package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
)

// TestFullDiskClosesIntakeAndRecovers lets the append-only file grow no more, as a full disk does: nothing more
// is accepted until there is space, and then it goes on by itself.
func TestFullDiskClosesIntakeAndRecovers(t *testing.T) {
	t.Parallel()
	n := redisdtest.Server(t)
	l := ledgertest.Dial(t, "redis://"+n.Addr)
	lane := l.Session("x")
	accept(t, l, lane, "a")
	_, size, err := n.AOF()
	must(t, err)
	limit(t, n, uint64(size)+4000)
	acked := []string{"a"}
	for i := 0; ; i++ {
		key := fmt.Sprint(i)
		_, err := l.Accept(t.Context(), ledger.Message{Lane: l.Session(key), Key: "a", Body: make([]byte, 1000)})
		if err != nil {
			break
		}
		acked = append(acked, key)
	}
	refused(t, l, ledger.Message{Lane: lane, Key: "b", Body: []byte("b")}, "cannot write to its disk")
	limit(t, n, unix.RLIM_INFINITY)
	until(t, "messages are accepted again", func(ctx context.Context) error {
		_, err := l.Accept(ctx, ledger.Message{Lane: lane, Key: "b", Body: []byte("b")})
		return err
	})
	until(t, "all is on disk", func(ctx context.Context) error {
		info, err := n.Info(ctx, "persistence").Result()
		if err == nil && !strings.Contains(info, "aof_buffer_length:0") {
			err = fmt.Errorf("%s", info)
		}
		return err
	})
	must(t, n.Kill())
	must(t, n.Restart())
	for _, key := range acked[1:] {
		if got := accept(t, l, l.Session(key), "a"); !got.Duplicate {
			t.Errorf("%s was acknowledged and is lost", key)
		}
	}
	answer(t, l, lane)
}

// limit bounds the size of the files that a server writes.
func limit(t *testing.T, n *redisdtest.Node, bytes uint64) {
	t.Helper()
	if err := unix.Prlimit(n.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
}
