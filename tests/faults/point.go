// Package faults runs the bundle as a cluster does (a process per function, two of most, a gateway of its own
// that is not ours) between a Redis and a world that are made to fail, and leaves the judging to others: the
// world writes down what reached it, tests/faults/judge reads that.
package faults

import (
	"errors"
	"regexp"
)

// Point is a place at which something can go wrong: before a call is passed on, and after it was carried out
// but before its caller hears of that.
type Point struct {
	Store   bool     // a script in Redis; else a call of one function by another
	Name    string   // of the script, or of the function that is called
	Replica *Replica // the process that makes the call to Redis, or serves the call
	Lanes   []string // sessions and runs that the call is about
	Owner   string   // who holds the claim, where a script names it
	After   bool
	Answer  byte // of a script after it: the first byte of its result, as '1'
	Stale   bool // the script refused a holder whose claim is over: it gave -1
}

// Hook decides what happens at a point. It may take its time. An error breaks the connection of the caller.
type Hook func(p Point) error

// errCut breaks a connection.
var errCut = errors.New("cut by the suite")

// lane is the name of a session or a run, as it stands in arguments and bodies.
var lane = regexp.MustCompile(`\b[sr][0-9a-f]{2}-[a-z2-7]{10,60}\b`)

// lanesIn returns the lanes that a text names.
func lanesIn(text string) []string { return lane.FindAllString(text, -1) }
