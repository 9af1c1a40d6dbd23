package remote_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin/remote"
)

// list is a gateway that lists functions, or is away.
type list struct {
	functions []gateway.Function
	away      bool
	asked     int
}

func (l *list) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	l.asked++
	if _, password, _ := r.BasicAuth(); r.URL.Path != "/system/functions" || password != "secret" || l.away {
		fault.Write(rec, fault.New(fault.Unavailable, "away"))
	} else {
		fn.Reply(rec, http.StatusOK, l.functions)
	}
	return rec.Result(), nil
}

func described(name, text string) gateway.Function {
	return gateway.Function{Name: name, Annotations: map[string]string{manifest.Annotation: text}}
}

func TestRegistryFollowsTheGateway(t *testing.T) {
	l := &list{away: true}
	env := fntest.Env(t, map[string]string{"BASIC_AUTH_PASSWORD": "secret"})
	now := time.Now()
	env.Transport, env.Now = l, func() time.Time { return now }
	g, err := gateway.Open(env, "planner-intent")
	if err != nil {
		t.Fatal(err)
	}
	r, err := remote.OpenRegistry(env, g)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.All(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("without a list: %v", err)
	}
	l.away = false
	l.functions = []gateway.Function{
		described("plugin-b", `{"id":"b"}`),
		{Name: "system-tasks"},
		described("plugin-a", `{"id":"a"}`),
		described("plugin-broken", `{"id":`), described("plugin-nameless", `{}`),
	}
	all, err := r.All(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != "a" || all[1].ID != "b" {
		t.Fatalf("%+v %v", all, err)
	}
	asked := l.asked
	if m, err := r.Get(t.Context(), "b"); err != nil || m.ID != "b" || l.asked != asked {
		t.Errorf("%+v %v, asked %d times", m, err, l.asked-asked)
	}
	if _, err := r.Get(t.Context(), "c"); !fault.Is(err, fault.NotFound) || !strings.Contains(fault.Text(err), "a, b") {
		t.Errorf("unknown: %v", err)
	}
	now, l.functions = now.Add(time.Hour), append(l.functions, gateway.Function{Name: "plugins", Annotations: map[string]string{
		manifest.GroupAnnotation + "d": `{"id":"d"}`, manifest.GroupAnnotation + "c": `{"id":"c"}`, "other": `{"id":"no"}`,
	}})
	if all, err := r.All(t.Context()); err != nil || len(all) != 4 || all[2].ID != "c" || all[3].ID != "d" {
		t.Errorf("with a group of plugins: %+v %v", all, err)
	}
	l.functions = l.functions[:len(l.functions)-1]
	now = now.Add(time.Hour)
	if all, err := r.All(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("without the group: %+v %v", all, err)
	}
	now, l.away = now.Add(time.Hour), true
	if all, err := r.All(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("while the gateway is away: %+v %v", all, err)
	}
	l.away, l.functions = false, l.functions[:1]
	if all, err := r.All(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("after a plugin was removed: %+v %v", all, err)
	}
}
