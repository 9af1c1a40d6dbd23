package ledger

import (
	_ "embed"
	"strings"

	"github.com/redis/go-redis/v9"
)

// source holds all transitions, one after another, each under a line "-- NAME flags". They are plain Lua
// 5.1 that the in-process server runs too; a real server of version 7 or later gets them with the shebang
// that lets the draining ones run when memory is full.
//
//go:embed scripts.lua
var source string

type scripts struct {
	accept, claim, extend, step, finish, sent, retry *redis.Script
	undelivered, redrive, schedule, post             *redis.Script
	spawn, wait, decide, halt, end, fire             *redis.Script
	event, change, lease, unlease, reserve, settle   *redis.Script
	tick                                             *redis.Script
}

func newScripts(shebang bool) scripts {
	bodies, prelude := split(source)
	load := func(name string) *redis.Script {
		part := bodies[name]
		text := prelude + part.body
		if shebang {
			text = "#!lua" + part.flags + "\n" + text
		}
		return redis.NewScript(text)
	}
	return scripts{
		accept: load("accept"), claim: load("claim"), extend: load("extend"), step: load("step"),
		finish: load("finish"), sent: load("sent"), retry: load("retry"),
		undelivered: load("undelivered"), redrive: load("redrive"),
		spawn: load("spawn"), wait: load("wait"), decide: load("decide"), halt: load("halt"), end: load("end"), fire: load("fire"),
		event: load("event"), change: load("change"), lease: load("lease"), unlease: load("unlease"),
		reserve: load("reserve"), settle: load("settle"),
		schedule: load("schedule"), post: load("post"), tick: load("tick"),
	}
}

type part struct{ body, flags string }

// split cuts the source at its headings "--# name [flags]". What stands before the first is common to all.
func split(source string) (map[string]part, string) {
	parts := map[string]part{}
	sections := strings.Split(source, "\n--# ")
	for _, section := range sections[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		name, flags, _ := strings.Cut(heading, " ")
		if flags != "" {
			flags = " flags=" + flags
		}
		parts[name] = part{body, flags}
	}
	return parts, sections[0] + "\n"
}
