package main

import (
	"testing"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/plugin/plugintest"
)

// TestPlugin runs the suite that every plugin passes: it also repeats each call, tries it dry, takes it back,
// and takes back what never happened.
func TestPlugin(t *testing.T) {
	plugintest.Run(t, Function,
		plugintest.Case{
			Name:   "a card",
			Params: `{"name":"Grace","output":"/output/card.txt"}`,
			Check: func(t *testing.T, h *plugintest.Host, _ plugin.Response) {
				if got := h.Read("/output/card.txt"); got != "Dear Grace, all the best!\n" {
					t.Errorf("%q", got)
				}
			},
		},
		plugintest.Case{
			Name:   "in place of another",
			Params: `{"name":"Grace","output":"/card.txt"}`,
			Files:  map[string]string{"/card.txt": "an older one"},
		},
		plugintest.Case{Name: "for nobody", Params: `{"name":" ","output":"/card.txt"}`, Fails: fault.Invalid},
	)
}
