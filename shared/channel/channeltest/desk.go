package channeltest

import (
	"slices"
	"strings"
	"sync"

	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// desk is what the plugins of the stories change: letters that are out, and notices on a wall.
type desk struct {
	mu      sync.Mutex
	letters []string
	notices []string
}

type letter struct {
	To string `json:"to"`
}

type notice struct {
	Text string `json:"text"`
}

// functions are two plugins: a letter cannot be taken back, so that people are asked first; a notice can.
func (d *desk) functions() []fn.Function {
	return []fn.Function{
		plugin.Define(plugin.Spec{
			ID: "send_letter", Title: manifest.Phrase{En: "Send a letter", Zh: "寄信"}, Summary: "Sends a letter.",
			Effect: manifest.Irreversible, Control: []string{"to"}, Version: "1",
			Intent: manifest.Intent{
				Phrases: []string{"send a letter", "寄信"}, Gives: "receipt", Order: 90,
				Slots: []manifest.Slot{{Param: "to", Kind: "email", Required: true, Ask: manifest.Phrase{En: "To whom?", Zh: "寄给谁？"}}},
			},
		}, d.send),
		plugin.Define(plugin.Spec{
			ID: "pin_notice", Title: manifest.Phrase{En: "Pin a notice", Zh: "贴通知"}, Summary: "Pins a notice to the wall.",
			Effect: manifest.Compensable, Version: "1",
			Intent: manifest.Intent{
				Phrases: []string{"pin a notice", "贴通知"}, Gives: "receipt", Order: 90,
				Slots: []manifest.Slot{{Param: "text", Kind: "quoted", Required: true, Ask: manifest.Phrase{En: "What does it say?", Zh: "写什么？"}}},
			},
		}, d.pin, plugin.Undo(d.unpin)),
	}
}

func (d *desk) send(_ *plugin.Call, in letter) (letter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.letters = append(d.letters, in.To)
	return in, nil
}

func (d *desk) pin(_ *plugin.Call, in notice) (notice, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notices = append(d.notices, in.Text)
	return in, nil
}

func (d *desk) unpin(_ *plugin.Call, in notice, _ *notice) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notices = slices.DeleteFunc(d.notices, func(text string) bool { return text == in.Text })
	return nil
}

// out is the letters that are out, and hung the notices that hang.
func (d *desk) out() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.letters, "|")
}

func (d *desk) hung() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.notices, "|")
}
