package channel

import (
	"regexp"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/message"
)

// Account is one of our bots on a platform. The default account has no name.
type Account struct {
	Platform string
	Name     string
	Self     message.Sender // who we are there; only set where the adapter is an Introducer
	env      *fn.Env
}

// NewAccount returns an account of env.
func NewAccount(env *fn.Env, platform, name string) Account {
	return Account{Platform: platform, Name: name, env: env}
}

// Secret returns a secret of the account: the file <platform>[.<account>]-<field>.
func (a Account) Secret(field string) (string, error) {
	name := a.Platform
	if a.Name != "" {
		name += "." + a.Name
	}
	return a.env.Secret(name + "-" + field)
}

// Now is the time.
func (a Account) Now() time.Time { return a.env.Now() }

// base is the base URL of the platform's API.
func (a Account) base(adapter Adapter) (string, error) {
	base := a.env.Setting(strings.ToUpper(a.Platform)+"_API_URL", adapter.Caps().API)
	if settler, ok := adapter.(Settler); ok && base == "" {
		var err error
		if base, err = settler.Home(a); err != nil {
			return "", err
		}
	}
	return strings.TrimRight(base, "/"), nil
}

// accountName is what an account may be called: it becomes part of a file's name.
var accountName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// accountOf returns the account that a function's path names: its first element.
func accountOf(path string) (string, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if name != "" && !accountName.MatchString(name) {
		return "", fault.New(fault.NotFound, "not an account's name")
	}
	return name, nil
}
