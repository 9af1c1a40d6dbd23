package redisd

import (
	"fmt"
	"os"
	"strings"
)

// writeConfig writes the server's configuration. The password is in it and not among the arguments, which
// every user of the machine can read.
func (c *child) writeConfig(st state) error {
	lines := []string{
		"bind 127.0.0.1",
		fmt.Sprintf("port %d", st.Port),
		"protected-mode yes",
		"requirepass " + st.Password,
		"dir " + quote(c.dir),
		"logfile " + quote(c.path("redis.log")),
		"loglevel warning", // it is never rotated
		"daemonize no",
		"save \"\"",
		"appendonly yes",
		"appendfsync always", // an acknowledged message survives a power failure
		"maxmemory-policy noeviction",
		"stream-node-max-bytes 512", // Redis allocates a stream's node at once: 4 KB by default, for each quiet session
	}
	return replaceFile(c.path("redis.conf"), []byte(strings.Join(lines, "\n")+"\n"))
}

// quote writes a value as Redis' configuration reads it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// replaceFile gives a private file new content at once.
func replaceFile(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
