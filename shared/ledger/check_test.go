package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/redisd/redisdtest"
	"github.com/hearthfaas/hearth/shared/vault"
)

func TestStoreThatLosesDataIsRefused(t *testing.T) {
	for name, args := range map[string][]string{
		"evicts":          {"--maxmemory-policy", "allkeys-lru"},
		"keeps in memory": {"--appendonly", "no"},
		"is a replica":    {"--replicaof", "127.0.0.1 1"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := ledger.Dial(t.Context(), "redis://"+ledgertest.Server(t, args...)+"/0", ledgertest.Vault(t))
			if err == nil {
				l.Close()
			}
			wantKind(t, err, fault.Invalid)
		})
	}
	for name, address := range map[string]string{"nobody": "redis://127.0.0.1:1/0", "no Sentinel": "redis+sentinel://127.0.0.1:1?master=x"} {
		if l, err := ledger.Dial(t.Context(), address, ledgertest.Vault(t)); err == nil {
			l.Close()
			t.Errorf("%s was taken", name)
		} else {
			wantKind(t, err, fault.Unavailable)
		}
	}
}

// TestEachMasterIsLookedAt: one master of a cluster that would lose data is enough to be refused, by its name.
func TestEachMasterIsLookedAt(t *testing.T) {
	url := cluster(t)
	n := lasting.cluster.Nodes[2]
	must(t, n.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	defer func() { must(t, n.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err()) }()
	refusedURL(t, url, n.Addr, "maxmemory_policy")
}

func TestURLFitsTheStore(t *testing.T) {
	f, c := sentinel(t), cluster(t)
	refusedURL(t, "redis://"+lasting.cluster.Nodes[0].Addr, "cluster", "redis+cluster://")
	refusedURL(t, "redis://"+lasting.failover.Sentinels[0].Addr, "sentinel", "redis+sentinel://")
	refusedURL(t, strings.Replace(f, "+sentinel", "+cluster", 1), "REDIS_URL")
	refusedURL(t, "redis+cluster://"+lasting.failover.Nodes[0].Addr, "no Redis Cluster", "+cluster")
	refusedURL(t, strings.Replace(f, "master=", "master=other", 1), "Sentinels", "otherhearth")
	refusedURL(t, strings.Replace(c, "+cluster", "+sentinel", 1)+"?master=hearth", "Sentinels")
}

// refusedURL wants a store to be refused with these words.
func refusedURL(t *testing.T, url string, words ...string) {
	t.Helper()
	l, err := ledger.Dial(t.Context(), url, ledgertest.Vault(t))
	if err == nil {
		l.Close()
		t.Errorf("%s was taken", url)
		return
	}
	for _, word := range words {
		if !strings.Contains(fault.Text(err), word) {
			t.Errorf("%s: %q, want %q in it", url, fault.Text(err), word)
		}
	}
}

func TestWeakStoresAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ url, want string }{
		"everysec alone":  {"redis://" + redisdtest.Server(t).Addr, "appendfsync always"},
		"always alone":    {"redis://" + redisdtest.Server(t, "--appendfsync", "always").Addr, ""},
		"cut-off master":  {sentinel(t), "min-replicas-to-write 1"},
		"cut-off masters": {cluster(t), "min-replicas-to-write 1"},
	} {
		l := ledgertest.Dial(t, c.url)
		if got := fmt.Sprint(l.Weak()); !strings.Contains(got, c.want) || (c.want == "" && got != "[]") {
			t.Errorf("%s: %q, want %q in it", name, got, c.want)
		}
	}
}

// TestUserOfItsOwn works as a user with the rights that docs/redis.md names, and no more.
func TestUserOfItsOwn(t *testing.T) {
	n := redisdtest.Server(t)
	rights := []any{"acl", "setuser", "hearth", "on", ">pw", "~h:*", "&h:*", "+@all", "-@admin", "-@dangerous", "+info", "+role", "+config|get"}
	must(t, n.Do(t.Context(), rights...).Err())
	l := ledgertest.Dial(t, "redis://hearth:pw@"+n.Addr)
	lane := l.Session("x")
	accept(t, l, lane, "a")
	if due, err := l.Due(t.Context(), "pump"); err != nil || len(due.Lanes) != 1 {
		t.Error(due, err)
	}
	answer(t, l, lane)
	must(t, l.Schedule(t.Context(), "daily", ledger.Slot{Time: time.Now(), At: time.Now()}))
	changed, forget := l.Changes(lane)
	defer forget()
	until(t, "a reader is woken", func(ctx context.Context) error { return wakes(ctx, l, lane, changed) })
	refusedURL(t, "redis://hearth:other@"+n.Addr, "password of REDIS_URL")
}

func TestURLForms(t *testing.T) {
	for _, good := range []string{
		"redis://127.0.0.1:6379/0", "rediss://:pw@store.example.com", "unix:///run/redis.sock",
		"redis+sentinel://:p%40w@a:26379,b,c:26379/1?master=hearth&sentinel_password=x", "rediss+sentinel://a,b?master=hearth",
		"redis+cluster://user:pw@a:7000,[::1]:7001,c", "rediss+cluster://a",
	} {
		if err := ledger.CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "localhost", "::", "http://x", "redis://a:1,b:2", "redis://:s3cret@a:port/0", "redis+sentinel://:s3cret@a,b",
		"redis+cluster://:s3cret@a/1", "redis+ring://:s3cret@a", "redis://:s3cret%zz@a", "redis+cluster://a?no=such",
	} {
		err := ledger.CheckURL(bad)
		wantKind(t, err, fault.Invalid)
		if text := fault.Text(err); strings.Contains(err.Error(), "s3cret") || !strings.Contains(text, "REDIS_URL") || !strings.Contains(text, "redis+sentinel://") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// dump replicates the store over its own protocol: every byte that lies there.
func dump(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "SYNC\r\n")
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		if _, err := fmt.Sscanf(line, "$%d", &n); err == nil {
			raw, err := io.ReadAll(io.LimitReader(r, n))
			if err != nil {
				t.Fatal(err)
			}
			return string(raw)
		}
	}
}

// TestStoreIsOpenedWithItsKey: a process with another key would give up all that it cannot read.
func TestStoreIsOpenedWithItsKey(t *testing.T) {
	for _, url := range []string{ledgertest.URL(t), "redis://" + ledgertest.Server(t)} {
		open := func(key string) error {
			_, err := ledger.Open(t.Context(), fntest.Env(t, map[string]string{"REDIS_URL": url, "ENCRYPTION_KEY": key}))
			return err
		}
		other := vault.Generate()
		must(t, open(fntest.Key))
		must(t, open(fntest.Key))
		err := open(other)
		wantKind(t, err, fault.Invalid)
		if !strings.Contains(err.Error(), "ENCRYPTION_KEY") || strings.Contains(err.Error(), other) {
			t.Error(err)
		}
	}
}

// TestAilingStoresAreNamed changes a store that was in order when it was dialed.
func TestAilingStoresAreNamed(t *testing.T) {
	n := redisdtest.Server(t)
	l := ledgertest.Dial(t, "redis://"+n.Addr)
	for _, c := range []struct{ name, value, back, want string }{
		{"maxmemory-policy", "allkeys-lru", "noeviction", "would lose data"},
		{"appendonly", "no", "yes", "would lose data"},
		{"maxmemory", "1mb", "0", "nearly used up its memory"},
		{"maxmemory", "4gb", "0", ""},
	} {
		must(t, n.ConfigSet(t.Context(), c.name, c.value).Err())
		found, err := l.Ailing(t.Context())
		if got := fmt.Sprint(found); err != nil || !strings.Contains(got, c.want) || (c.want == "" && got != "[]") {
			t.Errorf("%s %s: %v, %v", c.name, c.value, found, err)
		}
		must(t, n.ConfigSet(t.Context(), c.name, c.back).Err())
	}
	must(t, n.Kill())
	_, err := l.Ailing(t.Context())
	wantKind(t, err, fault.Unavailable)
}
