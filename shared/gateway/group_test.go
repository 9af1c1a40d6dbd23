package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/vault"
)

// TestGroupedNames calls functions where the groups put them. The signature stays the function's own.
func TestGroupedNames(t *testing.T) {
	groups := gateway.WriteGroups(map[string][]string{
		"planner": {"planner-execute", "planner-intent"}, "adapters": {"adapter-telegram"}, "plugins": {"plugin-database-query"},
	})
	if groups != "adapters=adapter-telegram planner=planner-execute,planner-intent plugins=plugin-database-query" {
		t.Fatal(groups)
	}
	var at string
	env := fntest.Env(t, map[string]string{gateway.GroupsSetting: groups})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at = r.URL.Path
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	lookup := env.Lookup
	env.Lookup = func(name string) (string, bool) {
		if name == "HEARTH_GATEWAY" {
			return server.URL, true
		}
		return lookup(name)
	}
	c, err := gateway.Open(env, "planner-execute")
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"planner-intent": "planner/intent", "adapter-telegram/_/send": "adapters/telegram/_/send",
		"plugin-database-query": "plugins/database-query", "plugin-weather": "plugin-weather", "system-files/grant": "system-files/grant",
	} {
		if err := c.Call(t.Context(), to, vault.Call{}, nil, nil); err != nil || at != "/function/"+want {
			t.Errorf("call %s: %s %v", to, at, err)
		}
		if err := c.Ring(t.Context(), to, "s00-x"); err != nil || at != "/async-function/"+want {
			t.Errorf("ring %s: %s %v", to, at, err)
		}
	}
}

func TestDamagedGroups(t *testing.T) {
	for _, text := range []string{"adapters", "=adapter-x", "adapters=", "adapters=adapter-x,", "adapters=telegram"} {
		env := fntest.Env(t, map[string]string{gateway.GroupsSetting: text})
		if _, err := gateway.Open(env, "planner-intent"); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
