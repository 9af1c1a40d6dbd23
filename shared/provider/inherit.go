package provider

import (
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// Inherited returns the listener that a provider gave this process (HEARTH_LISTEN=fd:N), or nil when no
// provider started it.
func Inherited(env *fn.Env) (net.Listener, error) {
	number, found := strings.CutPrefix(env.Setting("HEARTH_LISTEN", ""), "fd:")
	if !found {
		return nil, nil
	}
	fd, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return nil, fault.New(fault.Invalid, "want fd:N, not fd:%s", number).At("HEARTH_LISTEN")
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close() // the listener is a duplicate
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "descriptor %d is no listener", fd).At("HEARTH_LISTEN")
	}
	return l, nil
}
