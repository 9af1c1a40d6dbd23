// Command hearth is the one program of the bundle: the assistant on one machine, each of its functions,
// and what people type.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // for images without zone data

	"github.com/spf13/cobra"

	"github.com/hearthfaas/hearth/shared/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	go func() { // a second signal ends the program at once
		<-ctx.Done()
		stop()
	}()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, lookup: os.LookupEnv}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// run runs one command and returns its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	if len(args) == 0 && a.setting("AWS_LAMBDA_RUNTIME_API", "") != "" {
		args = []string{"fn"} // Lambda starts its program without arguments
	}
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	var quiet exit
	if err != nil && !errors.As(err, &quiet) {
		fmt.Fprintln(a.err, "hearth:", describe(err))
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "hearth",
		Short: "An assistant that runs on your own machines, proves what it did and can take it back",
		Long: `An assistant that runs on your own machines, proves what it did and can take it back.

Start it:    hearth up
Talk to it:  hearth chat        Let it act:  hearth do "..."

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 failed and rolled back,
6 rolled back incompletely, 7 waits for approval, 124 timed out, 130 interrupted.`,
		Version: version(), SilenceUsage: true, SilenceErrors: true,
		Args: cobra.ArbitraryArgs, // RunE refuses them better than cobra
		RunE: func(cmd *cobra.Command, rest []string) error {
			if len(rest) > 0 {
				return usage{fmt.Errorf("there is no hearth %s; see hearth --help", rest[0])}
			}
			return cmd.Help()
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.AddCommand(
		newUpCommand(a), newFnCommand(a), newLinkCommand(a),
		newChatCommand(a), newDoCommand(a), newTaskCommand(a), newCalendarCommand(a), newRunsCommand(a), newAlertsCommand(a),
		newApproveCommand(a), newDenyCommand(a), newUndoCommand(a), newStopCommand(a), newResumeCommand(a),
		newBudgetCommand(a), newDeadCommand(a), newMailCommand(a), newUserCommand(a), newPairCommand(a), newStackCommand(a), newKeyCommand(a), newDoctorCommand(a),
	)
	return root
}

// usage is an error in how the command was called.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// describe is what a person reads of an error.
func describe(err error) string {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return fault.Text(err)
	}
	return err.Error()
}

// exitCode is the table of the command line.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[exit](err); ok {
		return int(code)
	}
	if _, ok := errors.AsType[*fault.Error](err); !ok {
		if errors.Is(err, context.DeadlineExceeded) {
			return 124
		}
		if _, ok := errors.AsType[usage](err); ok {
			return 2
		}
		return 1
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return 2
	case fault.NotFound:
		return 3
	case fault.Unauthorized, fault.Forbidden:
		return 4
	case fault.Timeout:
		return 124
	default:
		return 1
	}
}
