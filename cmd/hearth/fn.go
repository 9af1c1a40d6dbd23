package main

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/functions/catalog"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/provider"
)

func newFnCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "fn NAME",
		Short: "Serve one function on $port (default 8080), as a container does",
		Args:  takes(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := function(args[0])
			if err != nil {
				return err
			}
			env := fn.OSEnv(slog.New(slog.NewJSONHandler(a.err, nil)))
			l, err := provider.Inherited(env)
			if err != nil {
				return err
			}
			if l != nil {
				return fn.Serve(cmd.Context(), f, env, l)
			}
			return fn.Main(cmd.Context(), f, env)
		},
	}
}

// function returns the function of a name.
func function(name string) (fn.Function, error) {
	all := catalog.All()
	i := slices.IndexFunc(all, func(f fn.Function) bool { return f.Name == name })
	if i < 0 {
		names := make([]string, len(all))
		for i, f := range all {
			names[i] = f.Name
		}
		return fn.Function{}, fault.New(fault.NotFound, "no function %q; there are: %s", name, strings.Join(names, ", "))
	}
	return all[i], nil
}

func newLinkCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "link [PLATFORM…]",
		Short: "Keep up the chat sockets and long polls (part of up)",
		RunE: func(cmd *cobra.Command, platforms []string) error {
			env := fn.OSEnv(slog.New(slog.NewTextHandler(a.err, nil)))
			defer env.Close()
			functions, err := adapters(platforms)
			if err != nil {
				return err
			}
			return channel.Link(cmd.Context(), env, functions)
		},
	}
}

// adapters returns the adapters of some platforms, or all of them.
func adapters(platforms []string) ([]fn.Function, error) {
	var list []fn.Function
	for _, platform := range platforms {
		f, err := function("adapter-" + platform)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	if len(list) == 0 {
		list = catalog.All()
	}
	return list, nil
}
