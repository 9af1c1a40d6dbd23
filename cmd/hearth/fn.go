package main

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/functions/catalog"
	"github.com/hearthfaas/hearth/shared/channel"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/lambda"
)

func newFnCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "fn [NAME]",
		Short: "Serve one function on $port (default 8080), as a container does",
		Long: `Serves one function on $port (default 8080), as a container does. Without NAME it is the one of $fprocess,
as in a stack file, or in a Lambda function the one of its handler: fn.NAME.

adapters, planner and plugins serve all functions of that kind together.`,
		Args: takes(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			env := fn.OSEnv(slog.New(slog.NewJSONHandler(a.err, nil)))
			f, err := served(env, args)
			switch {
			case err != nil && lambda.Hosts(env):
				return lambda.Refuse(cmd.Context(), env, err)
			case err != nil:
				return err
			case lambda.Hosts(env):
				return lambda.Main(cmd.Context(), f, env)
			default:
				return fn.Main(cmd.Context(), f, env)
			}
		},
	}
}

// served returns the function that the arguments name, else the environment.
func served(env *fn.Env, args []string) (fn.Function, error) {
	if len(args) == 1 {
		return function(args[0])
	}
	if name, found := strings.CutPrefix(env.Setting("fprocess", ""), "hearth fn "); found {
		return function(name)
	}
	if name, found := strings.CutPrefix(env.Setting("_HANDLER", ""), "fn."); found {
		return function(name)
	}
	return fn.Function{}, usage{errors.New(`want hearth fn NAME, or fprocess="hearth fn NAME" in the environment`)}
}

// function returns the function of a name, or the group.
func function(name string) (fn.Function, error) {
	all := catalog.All()
	deployed, _ := grouped(all)
	all = append(all, deployed...)
	i := slices.IndexFunc(all, func(f fn.Function) bool { return f.Name == name })
	if i < 0 {
		names := map[string]bool{}
		for _, f := range all {
			names[f.Name] = true
		}
		return fn.Function{}, fault.New(fault.NotFound, "no function %q; there are: %s", name, strings.Join(slices.Sorted(maps.Keys(names)), ", "))
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
