package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// Bounds of the files of one call, in bytes.
const (
	MaxFile   = 64 << 20  // of one file, in or out
	MaxStaged = 256 << 20 // of all inputs together, and of all outputs together
)

// maxReply bounds what system-files answers to anything but a read, in bytes.
const maxReply = 16 << 20

// HashHeader carries the SHA-256 of a file that system-files serves, in hex.
const HashHeader = "Hearth-Hash"

// creation is an output of a call: a local file for a workspace path.
type creation struct {
	path  string
	local string
	url   string
}

// extension is what a local name may keep of a workspace name; libraries go by it.
var extension = regexp.MustCompile(`^\.[A-Za-z0-9]{1,10}$`)

// stage downloads the inputs that the parameters name. In a dry run an input may be missing: the step
// that makes it did not run.
func (c *Call) stage(inputs []File) error {
	room := int64(MaxStaged)
	for i, in := range inputs {
		if in.Mode != ModeRead || c.staged[in.Path] != "" {
			continue
		}
		local := c.local("in", i, in.Path)
		n, err := c.download(in, local, min(room, MaxFile))
		if c.DryRun && fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return placed(err, in)
		}
		room -= n
		c.staged[in.Path] = local
	}
	return nil
}

// placed names the parameter and the path that a file operation failed on.
func placed(err error, f File) error {
	wrapped := fault.Wrap(err, "%s", f.Path)
	if e, ok := errors.AsType[*fault.Error](wrapped); ok {
		return e.At(f.Place)
	}
	return wrapped
}

// local returns a name in the call's folder. It takes nothing from the path but a harmless extension.
func (c *Call) local(prefix string, i int, name string) string {
	ext := path.Ext(name)
	if !extension.MatchString(ext) {
		ext = ""
	}
	return filepath.Join(c.Dir, fmt.Sprintf("%s-%d%s", prefix, i, ext))
}

// grant returns the capability for a path of the parameters. One to write also reads: the same path may be
// an input and the output.
func (c *Call) grant(name, mode string) (string, error) {
	g, found := c.request.Files[name]
	if !found {
		g, found = c.request.Files[path.Clean("/"+name)]
	}
	if !found || (g.Mode != mode && g.Mode != ModeWrite) {
		return "", fault.New(fault.Forbidden, "the call may not %s %s", mode, name)
	}
	return g.URL, nil
}

// download copies one input into a local file and returns its size.
func (c *Call) download(in File, local string, limit int64) (int64, error) {
	from, err := c.grant(in.Path, ModeRead)
	if err != nil {
		return 0, err
	}
	resp, err := c.send(http.MethodGet, from, nil, 0)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	f, err := os.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fault.As(fault.Unavailable, err, "the call's folder takes no file")
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(resp.Body, limit+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, fault.As(fault.Unavailable, err, "the download broke")
	}
	if n > limit {
		return 0, fault.New(fault.TooLarge, "over the %d bytes that a call may read", limit)
	}
	if want := resp.Header.Get(HashHeader); want != "" && want != hex.EncodeToString(sum.Sum(nil)) {
		return 0, fault.New(fault.Unavailable, "the download was damaged")
	}
	return n, nil
}

// Local returns the local copy of a file that a parameter marked file:"read" names.
func (c *Call) Local(name string) (string, error) {
	local, ok := c.staged[name]
	if !ok {
		return "", fault.New(fault.NotFound, "there is no input file %s", name)
	}
	return local, nil
}

// Create returns the name of a local file to be written. When the operation returns without an error, its
// content becomes a new version of the workspace path, which a parameter marked file:"write" names. In a
// dry run it goes nowhere.
func (c *Call) Create(name string) (string, error) {
	for _, made := range c.created {
		if made.path == name {
			return made.local, nil
		}
	}
	to, err := c.grant(name, ModeWrite)
	if err != nil && !c.DryRun {
		return "", err
	}
	local := c.local("out", len(c.created), name)
	c.created = append(c.created, creation{path: name, local: local, url: to})
	return local, nil
}

// publish uploads what the operation created. Uploading is idempotent: system-files keeps one version
// per path and step key.
func (c *Call) publish() ([]Artifact, error) {
	files := slices.Clone(c.made)
	if c.DryRun {
		return files, nil
	}
	room := int64(MaxStaged)
	for _, out := range c.created {
		made, err := c.upload(out, min(room, MaxFile))
		if err != nil {
			return files, fault.Wrap(err, "save %s", out.path)
		}
		room -= made.Size
		files = append(files, made)
	}
	return files, nil
}

// upload sends one output, a second time if the first answer was lost.
func (c *Call) upload(out creation, limit int64) (Artifact, error) {
	f, err := os.Open(out.local)
	if errors.Is(err, fs.ErrNotExist) {
		return Artifact{}, fault.New(fault.Internal, "%s announced a file and did not write it", c.host.manifest.ID)
	}
	if err != nil {
		return Artifact{}, fault.As(fault.Internal, err, "the file cannot be read")
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, io.LimitReader(f, limit+1))
	if err != nil {
		return Artifact{}, fault.As(fault.Internal, err, "the file cannot be read")
	}
	if size > limit {
		return Artifact{}, fault.New(fault.TooLarge, "over the %d bytes that a call may write", limit)
	}
	made, err := c.put(out.url, f, size)
	if err != nil && fault.InDoubt(err) && c.Err() == nil {
		made, err = c.put(out.url, f, size)
	}
	if err == nil && made.Hash != hex.EncodeToString(sum.Sum(nil)) {
		c.Log.Info("an earlier attempt of this step wrote the file; its content stands", "path", out.path, "version", made.Version)
	}
	return made, err
}

func (c *Call) put(to string, f *os.File, size int64) (Artifact, error) {
	var made Artifact
	body := io.NewSectionReader(f, 0, size)
	resp, err := c.send(http.MethodPut, to, body, size)
	if err != nil {
		return made, err
	}
	return made, answer(resp, &made)
}

// Revert takes back every file that the step wrote through a file:"write" parameter: its previous version
// becomes current again. It tolerates a step that was never applied and a second call, and returns a
// Conflict when somebody changed a file since. In a dry run it only looks, with the same errors, and its
// summary is what would happen.
func (c *Call) Revert() error {
	var en, zh []string
	for _, name := range slices.Backward(c.writes()) {
		back, err := c.revert(name)
		if err != nil {
			return fault.Wrap(err, "take back %s", name)
		}
		e, z := back.words()
		en, zh = append(en, e), append(zh, z)
	}
	if c.DryRun {
		c.Summary(strings.Join(en, "; "), strings.Join(zh, "；"))
	}
	return nil
}

// revert takes back one file, or looks what that would do.
func (c *Call) revert(name string) (Back, error) {
	to, err := c.grant(name, ModeWrite)
	if err != nil {
		return Back{}, err
	}
	method, body := http.MethodDelete, io.Reader(nil)
	if c.DryRun {
		method, body = http.MethodPost, http.NoBody
	}
	resp, err := c.send(method, to+c.version(name), body, 0)
	if err != nil {
		return Back{}, err
	}
	var back Back
	return back, answer(resp, &back)
}

// version names the version that the receipt has for a path, so that one that is no longer known is not
// taken for one that was never made.
func (c *Call) version(name string) string {
	for _, made := range c.Files {
		if made.Path == path.Clean("/"+name) {
			return "?version=" + strconv.FormatInt(made.Version, 10)
		}
	}
	return ""
}

// writes returns the output paths of the parameters.
func (c *Call) writes() []string {
	var names []string
	for _, f := range c.host.files(c.request.Params) {
		if f.Mode == ModeWrite && !slices.Contains(names, f.Path) {
			names = append(names, f.Path)
		}
	}
	return names
}

// send makes a request to a capability URL. The response is a success; the caller closes its body.
func (c *Call) send(method, to string, body io.Reader, size int64) (*http.Response, error) {
	if u, err := url.Parse(to); err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fault.New(fault.Invalid, "the capability is not an HTTP address")
	}
	req, err := http.NewRequestWithContext(c, method, to, body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the capability is not an HTTP address")
	}
	if body != nil {
		req.ContentLength = size
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	fn.Propagate(c, req.Header)
	resp, err := c.host.client.Do(req)
	if err != nil {
		return nil, unanswered(c, err)
	}
	if err := fault.Read(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// answer decodes a small JSON answer into v unless that is nil, and closes it.
func answer(resp *http.Response, v any) error {
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return fault.As(fault.Unknown, err, "the answer of system-files was cut short")
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.As(fault.Unknown, err, "the answer of system-files is not the JSON we expect")
	}
	return nil
}
