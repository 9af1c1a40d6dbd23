package ledger

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Forms names what REDIS_URL may look like.
const Forms = "redis://[:PASSWORD@]HOST:PORT/0, redis+sentinel://[:PASSWORD@]HOST:PORT,…/0?master=NAME " +
	"or redis+cluster://[:PASSWORD@]HOST:PORT,…; rediss is redis over TLS"

// poolSize bounds the connections to one server.
const poolSize = 64 // one kind of connection for all commands; who dials once more is the one that repeats the command

// target is REDIS_URL taken apart. One of the first three is set.
type target struct {
	single   *redis.Options
	sentinel *redis.FailoverOptions
	cluster  *redis.ClusterOptions
	volatile bool
}

// CheckURL reports whether a text has one of the Forms. It connects to nothing.
func CheckURL(text string) error {
	_, err := parse(text)
	return err
}

// parse reads REDIS_URL. What is wrong with it is told without quoting it, since it may hold a password.
func parse(text string) (target, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	scheme, form, _ := strings.Cut(scheme, "+")
	first, others := hosts(rest, map[string]string{"sentinel": "26379"}[form])
	u, err := url.Parse(scheme + "://" + first)
	if err != nil {
		return target{}, fault.New(fault.Invalid, "not a URL").At("REDIS_URL").Try(Forms)
	}
	q := u.Query()
	t := target{volatile: q.Get(VolatileFlag) == "1"}
	q.Del(VolatileFlag)
	for _, host := range others {
		q.Add("addr", host)
	}
	u.RawQuery = q.Encode()
	switch form {
	case "":
		t.single, err = parseSingle(u)
	case "sentinel":
		t.sentinel, err = parseSentinel(u)
	case "cluster":
		t.cluster, err = parseCluster(u)
	default:
		err = fault.New(fault.Invalid, "%q is not known", form)
	}
	if err != nil {
		return target{}, fault.As(fault.Invalid, err, "not a Redis URL").At("REDIS_URL").Try(Forms)
	}
	return t, nil
}

// hosts takes the hosts but the first one out of a URL's text without its scheme. Each gets a port.
func hosts(text, port string) (first string, others []string) {
	end := strings.IndexAny(text, "/?")
	if end < 0 {
		end = len(text)
	}
	start := strings.LastIndex(text[:end], "@") + 1
	list := strings.Split(text[start:end], ",")
	for i, host := range list {
		if _, _, err := net.SplitHostPort(host); err != nil && host != "" {
			if port == "" {
				port = "6379"
			}
			list[i] = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
	}
	return text[:start] + list[0] + text[end:], list[1:]
}

func parseSingle(u *url.URL) (*redis.Options, error) {
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, err
	}
	o.Protocol, o.DisableIdentity, o.ContextTimeoutEnabled = 2, true, true
	o.PoolSize, o.PipelinePoolSize, o.DialerRetries = poolSize, -1, 1
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

// parseSentinel reads a URL whose user and password are the servers'. The Sentinels' own come as
// sentinel_username and sentinel_password.
func parseSentinel(u *url.URL) (*redis.FailoverOptions, error) {
	q := u.Query()
	master, user, password := q.Get("master"), q.Get("sentinel_username"), q.Get("sentinel_password")
	if master == "" {
		return nil, fault.New(fault.Invalid, "?master=NAME is missing")
	}
	for _, ours := range []string{"master", "sentinel_username", "sentinel_password"} {
		q.Del(ours)
	}
	q.Set("master_name", master)
	u.RawQuery = q.Encode()
	o, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return nil, err
	}
	o.Username, o.Password = o.SentinelUsername, o.SentinelPassword
	o.SentinelUsername, o.SentinelPassword = user, password
	o.TLSConfig = anyHost(o.TLSConfig)
	o.Protocol, o.DisableIdentity, o.ContextTimeoutEnabled = 2, true, true
	o.PoolSize, o.PipelinePoolSize, o.DialerRetries = poolSize, -1, 1
	return o, nil
}

func parseCluster(u *url.URL) (*redis.ClusterOptions, error) {
	if db := strings.Trim(u.Path, "/"); db != "" && db != "0" {
		return nil, fault.New(fault.Invalid, "a cluster has one database, 0")
	}
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return nil, err
	}
	o.TLSConfig = anyHost(o.TLSConfig)
	o.Protocol, o.DisableIdentity, o.ContextTimeoutEnabled = 2, true, true
	o.PoolSize, o.PipelinePoolSize, o.DialerRetries = poolSize, -1, 1
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

// anyHost makes each server prove the name it was dialed by, and not that of the first one.
func anyHost(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	c.ServerName, c.MinVersion = "", tls.VersionTLS12
	return c
}

// connect makes the client. It dials when it is first used.
func (t target) connect() redis.UniversalClient {
	switch {
	case t.sentinel != nil:
		return redis.NewFailoverClient(t.sentinel)
	case t.cluster != nil:
		return redis.NewClusterClient(t.cluster)
	default:
		return redis.NewClient(t.single)
	}
}

// node returns the client of the server that holds a key, and takes writes.
func (l *Ledger) node(ctx context.Context, key string) (*redis.Client, error) {
	if c, clustered := l.rdb.(*redis.ClusterClient); clustered {
		return c.MasterForKey(ctx, key)
	}
	return l.rdb.(*redis.Client), nil
}

// masters calls visit for each server that takes writes, all at once, and returns its first error.
func (l *Ledger) masters(ctx context.Context, visit func(context.Context, *redis.Client) error) error {
	if c, clustered := l.rdb.(*redis.ClusterClient); clustered {
		return c.ForEachMaster(ctx, visit)
	}
	return visit(ctx, l.rdb.(*redis.Client))
}
