// Command function serves the plugin of handler.go. With the argument manifest it writes its manifest.
package main

import (
	"os"

	"github.com/hearthfaas/hearth/shared/fn"
)

func main() { os.Exit(fn.Run(Function, os.Args[1:])) }
