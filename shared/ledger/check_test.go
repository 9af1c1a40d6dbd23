package ledger_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/ledger"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
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
	for name, address := range map[string]string{"no URL": "::", "another scheme": "http://x", "nobody": "redis://127.0.0.1:1/0"} {
		if l, err := ledger.Dial(t.Context(), address, ledgertest.Vault(t)); err == nil {
			l.Close()
			t.Errorf("%s was taken", name)
		}
	}
}

// command sends an inline command, as a person with a terminal would, and returns the first line.
func command(t *testing.T, address, line string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\n", line)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || strings.HasPrefix(answer, "-") {
		t.Fatalf("%s: %s %v", line, answer, err)
	}
	return answer
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
