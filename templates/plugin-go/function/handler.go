package main

import (
	"os"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// In are the parameters. They are checked against their schema before greet is called.
type In struct {
	Name   string `json:"name" jsonschema:"whom the card is for"`
	Output string `json:"output" file:"write" jsonschema:"where the card goes, such as /output/card.txt"`
}

// Out is the result.
type Out struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Function is the plugin. Its name in tasks is the ID; it is deployed as plugin-greeting.
var Function = plugin.Define(plugin.Spec{
	ID:      "greeting",
	Title:   manifest.Phrase{En: "Write a greeting card", Zh: "写贺卡"},
	Summary: "Writes a greeting card for a person into a text file.",
	Effect:  manifest.Compensable, // it has an undo; see manifest.Effect for the others
	Grants:  manifest.Grants{Files: plugin.FilesParams},
	Control: []string{"output"}, // only people may say where it goes, never a text that somebody sent
	Intent: manifest.Intent{
		Phrases: []string{"greeting card", "write a card", "贺卡", "写贺卡"},
		Gives:   "file", Order: 20,
		Slots: []manifest.Slot{{
			Param: "name", Kind: "quoted", Required: true,
			Ask: manifest.Phrase{En: `Whom is the card for? Put the name in quotes.`, Zh: "贺卡写给谁？请用引号写出名字。"},
		}},
		Example: map[string]any{"name": "Ada", "output": "/output/card.txt"},
	},
	Version: "1",
}, greet, plugin.Undo(func(c *plugin.Call, _ In, _ *Out) error { return c.Revert() }), plugin.Preview())

// greet writes the card. The engine may call it again with the same key when an answer was lost.
func greet(c *plugin.Call, in In) (Out, error) {
	if strings.TrimSpace(in.Name) == "" {
		return Out{}, fault.New(fault.Invalid, "want a name").At("params.name")
	}
	out := Out{Path: in.Output, Text: "Dear " + in.Name + ", all the best!"}
	local, err := c.Create(in.Output)
	if err != nil {
		return Out{}, err
	}
	if c.DryRun {
		c.Summary("Would write "+in.Output+".", "将写入 "+in.Output+"。")
		return out, nil
	}
	if err := os.WriteFile(local, []byte(out.Text+"\n"), 0o600); err != nil {
		return Out{}, fault.As(fault.Unavailable, err, "the card cannot be written")
	}
	c.Summary("Wrote a card for "+in.Name+" to "+in.Output+".", "已将写给 "+in.Name+" 的贺卡存为 "+in.Output+"。")
	return out, nil
}
