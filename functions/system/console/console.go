// Package console serves the one page that people use: conversations, runs, automations and the local
// mailbox. It holds files only; the page asks the other functions itself, as whoever is signed in.
package console

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// dist is what web/ builds to. It is committed, so that a build needs Go alone; web/verify.sh proves that
// it belongs to the sources.
//
//go:embed dist
var dist embed.FS

// csp is the page's Content-Security-Policy, one directive a line.
//
//go:embed csp.txt
var csp string

// Function serves the page. Whatever is not one of its files is a place within it, and gets the page.
var Function = fn.Function{Name: "system-console", New: open}

// types are the media types of the page's files, by extension. The system's own table differs between machines.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is one file of the page, ready to send.
type file struct {
	media string
	etag  string
	plain []byte
	small []byte // gzipped
}

type console struct {
	files  map[string]file // by path without a leading slash
	index  string
	policy string
}

func open(context.Context, *fn.Env) (http.Handler, error) {
	c := &console{files: map[string]file{}, policy: strings.Join(strings.Split(strings.TrimSpace(csp), "\n"), "; ")}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		c.files[strings.TrimPrefix(name, "dist/")], err = prepare(name, raw)
		return err
	})
	if err != nil {
		return nil, fault.As(fault.Internal, err, "the page's files cannot be read")
	}
	c.index = string(c.files["index.html"].plain)
	return c, nil
}

func prepare(name string, raw []byte) (file, error) {
	sum := sha256.Sum256(raw)
	f := file{media: types[path.Ext(name)], etag: hex.EncodeToString(sum[:8]), plain: raw}
	if f.media == "" {
		return f, fault.New(fault.Internal, "no media type is known for %s", name)
	}
	var small bytes.Buffer
	w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return f, err
	}
	if _, err := w.Write(raw); err != nil {
		return f, err
	}
	err = w.Close()
	f.small = small.Bytes()
	return f, err
}

// ServeHTTP serves a file, or the page.
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", c.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // browsers that do not know frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fault.Write(w, fault.New(fault.Invalid, "the page is read with GET, not %s", r.Method))
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if f, found := c.files[name]; found && name != "index.html" {
		// The name has a hash of the content in it, so the content of a name never changes.
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		f.send(w, r)
		return
	}
	if strings.HasPrefix(name, "assets/") {
		fault.Write(w, fault.New(fault.NotFound, "%s belongs to another version of the page", name).Try("reload the page"))
		return
	}
	c.page(w, r)
}

// page serves the page for a place within it. Its links are relative, because nobody tells a function the
// prefix under which it is reached, so they climb as far as the place is deep.
func (c *console) page(w http.ResponseWriter, r *http.Request) {
	depth := strings.Count(strings.TrimPrefix(r.URL.Path, "/"), "/")
	html := c.index
	if depth > 0 {
		html = strings.ReplaceAll(html, `="./`, `="`+strings.Repeat("../", depth))
	}
	f, err := prepare("index.html", []byte(html))
	if err != nil {
		fault.Write(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	f.send(w, r)
}

func (f file) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.media)
	h.Set("Vary", "Accept-Encoding")
	body, etag := f.plain, f.etag
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body, etag = f.small, f.etag+"-gz"
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
