// Command function serves the adapter of handler.go.
package main

import (
	"os"

	"github.com/hearthfaas/hearth/shared/fn"
)

func main() { os.Exit(fn.Run(Function, os.Args[1:])) }
