package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// app is a run of the program: everything it touches of its process.
type app struct {
	in       io.Reader
	out, err io.Writer
	lookup   func(name string) (string, bool)
}

// setting returns a variable, or def when it is missing or blank.
func (a *app) setting(name, def string) string {
	if v, ok := a.lookup(name); ok && strings.TrimSpace(v) != "" {
		return strings.TrimSpace(v)
	}
	return def
}

// exit is an exit code that needs no words: what happened stands on the screen.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// group returns a command that only holds others.
func group(name, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short}
	cmd.RunE = func(cmd *cobra.Command, rest []string) error {
		if len(rest) > 0 {
			return usage{fmt.Errorf("there is no %s %s; see %s --help", cmd.CommandPath(), rest[0], cmd.CommandPath())}
		}
		return cmd.Help()
	}
	cmd.AddCommand(verbs...)
	addOutput(cmd)
	return cmd
}

// takes makes what check refuses an error in how the command was called.
func takes(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return usage{fmt.Errorf("%w; usage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}
