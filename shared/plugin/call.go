package plugin

import (
	"context"
	"encoding/json"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// Call is one call of an operation or its undo. Its context ends with Limits.Wall.
type Call struct {
	context.Context
	Run, Step string
	Key       string         // the same for every attempt of this step; hand it to services that deduplicate
	Now       time.Time      // of the engine, in Zone
	Zone      *time.Location // of the run
	Date      string         // the run's day in Zone, YYYY-MM-DD, frozen when the run was created
	Lang      string         // zh or en
	Dir       string         // an empty folder of this call, removed after it
	Input     json.RawMessage
	DryRun    bool       // say what would happen, change nothing
	Began     time.Time  // reconcile: when the last attempt of the step began
	Files     []Artifact // undo: what the step made
	Log       *slog.Logger

	host    *host
	request Request
	summary string
	staged  map[string]string // local file by workspace path as given
	created []creation
	made    []Artifact // through the workspace API
}

// newCall prepares a call; its folder and files come later.
func newCall(ctx context.Context, h *host, req Request) (*Call, error) {
	zone, err := time.LoadLocation(req.Zone)
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "unknown time zone %q", req.Zone).At("zone")
	}
	now := req.Now
	if now.IsZero() {
		now = h.env.Now()
	}
	return &Call{
		Context: ctx, Run: req.Run, Step: req.Step, Key: req.Key,
		Now: now.In(zone), Zone: zone, Date: req.Date, Lang: req.Lang, Input: req.Input, DryRun: req.DryRun || req.Op == OpPreview, Began: req.Began,
		Log:  fn.Logger(ctx, h.env.Log).With("run", req.Run, "step", req.Step),
		host: h, request: req, staged: map[string]string{},
	}, nil
}

// Setting returns a setting that Grants.Secrets names, or def when it is missing, blank or not granted: a
// plugin's process does not see the others.
func (c *Call) Setting(name, def string) string {
	if !granted(c.host.manifest.Grants.Secrets, name) {
		c.Log.Warn("a setting that the grants do not name", "setting", name)
		return def
	}
	return c.host.env.Setting(name, def)
}

// Secret returns a secret that Grants.Secrets names, read anew on each call. The error is Forbidden for
// any other, and Unauthorized for one that is missing or blank.
func (c *Call) Secret(name string) (string, error) {
	if !granted(c.host.manifest.Grants.Secrets, name) {
		return "", fault.New(fault.Forbidden, "%s is not granted the secret %s", c.host.manifest.ID, name)
	}
	return c.host.env.Secret(name)
}

// granted reports whether names holds name. Settings and secrets are one namespace: smtp-url is SMTP_URL.
// A "*" in a granted name stands for any characters, as in DATABASE_*_URL.
func granted(names []string, name string) bool {
	for _, pattern := range names {
		if matched, err := path.Match(variable(pattern), variable(name)); err == nil && matched {
			return true
		}
	}
	return false
}

func variable(name string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(name))
}

// Summary says in one line what happened, for people. The call's language decides which is used.
func (c *Call) Summary(en, zh string) {
	c.summary = en
	if c.Lang == "zh" {
		c.summary = zh
	}
}
