package files_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/functions/system/files"
	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
	"github.com/hearthfaas/hearth/shared/fn/fntest"
	"github.com/hearthfaas/hearth/shared/gateway"
	"github.com/hearthfaas/hearth/shared/ledger/ledgertest"
	"github.com/hearthfaas/hearth/shared/plugin"
	"github.com/hearthfaas/hearth/shared/policy"
	"github.com/hearthfaas/hearth/shared/vault"
	"github.com/hearthfaas/hearth/shared/workspace"
)

// bench is system-files behind a gateway, with a clock that can be moved.
type bench struct {
	t       *testing.T
	env     *fn.Env
	client  *gateway.Client
	base    string
	ahead   atomic.Int64 // seconds
	handler http.Handler
}

func open(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t}
	gw := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/function/system-files", b.handler).ServeHTTP(w, r)
	}))
	t.Cleanup(gw.Close)
	b.env = fntest.Env(t, map[string]string{"HEARTH_GATEWAY": gw.URL, "HEARTH_DATA": t.TempDir(), "REDIS_URL": ledgertest.URL(t)})
	b.env.Now = func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load()) * time.Second) }
	host, err := fn.NewHost(t.Context(), files.Function, b.env)
	if err != nil {
		t.Fatal(err)
	}
	b.handler = host
	if b.client, err = gateway.Open(b.env, "planner-execute"); err != nil {
		t.Fatal(err)
	}
	b.base = gw.URL + "/function/system-files"
	return b
}

// call makes a signed call.
func (b *bench) call(path string, in, out any) error {
	return b.client.Call(b.t.Context(), files.Name+path, vault.Call{User: "li", Role: "member"}, in, out)
}

func (b *bench) grant(key string, want map[string]string) files.GrantReply {
	b.t.Helper()
	var got files.GrantReply
	in := files.GrantRequest{Owner: "li", Run: "r1", Step: "s1", Key: key, Files: want, Workspace: true}
	if err := b.call("/grant", in, &got); err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *bench) put(owner, path, content string) {
	b.t.Helper()
	if err := b.call("/put", files.PutRequest{Owner: owner, Path: path, Content: []byte(content)}, nil); err != nil {
		b.t.Fatal(err)
	}
}

// send makes a plain request and returns its body.
func (b *bench) send(method, url, body string, header ...string) (string, http.Header, error) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := fault.Read(resp); err != nil {
		return "", resp.Header, err
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(raw), resp.Header, nil
}

// as returns the header that signs somebody in.
func (b *bench) as(user string, role policy.Role) []string {
	b.t.Helper()
	v, err := b.env.Vault()
	if err != nil {
		b.t.Fatal(err)
	}
	token := v.Issue(vault.Token{For: "user", ID: user, Role: string(role), Expires: b.env.Now().Add(time.Hour).Unix()})
	return []string{"Authorization", "Bearer " + token}
}

func want(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%v, want %s", err, kind)
	}
}

func TestCapabilities(t *testing.T) {
	b := open(t)
	b.put("li", "/in.txt", "input")
	b.put("li", "/out.txt", "before")
	b.put(workspace.TemplatesOwner, "/templates/t.xlsx", "template")
	g := b.grant("k1", map[string]string{"in.txt": "read", "/out.txt": "write", "/templates/t.xlsx": "read"})
	if got, h, err := b.send(http.MethodGet, g.Files["in.txt"].URL, ""); got != "input" || err != nil || h.Get(plugin.HashHeader) == "" {
		t.Errorf("%q %v", got, err)
	}
	if got, _, err := b.send(http.MethodGet, g.Files["/templates/t.xlsx"].URL, ""); got != "template" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	var first, second plugin.Artifact
	for i, content := range []string{"after", "of a second attempt"} {
		raw, _, err := b.send(http.MethodPut, g.Files["/out.txt"].URL, content)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(raw), []*plugin.Artifact{&first, &second}[i]); err != nil {
			t.Fatal(err)
		}
	}
	if first != second || first.Version != 2 || first.Size != 5 || first.Path != "/out.txt" {
		t.Errorf("a second upload made %+v after %+v", second, first)
	}
	for _, version := range []string{"?version=2", ""} {
		if got, _, err := b.send(http.MethodPost, g.Files["/out.txt"].URL+version, ""); strings.TrimSpace(got) != `{"path":"/out.txt","version":1}` || err != nil {
			t.Errorf("what an undo would do: %q %v", got, err)
		}
	}
	for range 2 {
		if _, _, err := b.send(http.MethodDelete, g.Files["/out.txt"].URL+"?version=2", ""); err != nil {
			t.Fatal(err)
		}
	}
	if got, _, err := b.send(http.MethodGet, b.base+"/get?path=/out.txt", "", b.as("li", policy.Member)...); got != "before" || err != nil {
		t.Errorf("after the undo: %q %v", got, err)
	}
	_, _, err := b.send(http.MethodPut, g.Files["in.txt"].URL, "x")
	want(t, err, fault.Forbidden)
	_, _, err = b.send(http.MethodDelete, g.Files["in.txt"].URL, "")
	want(t, err, fault.Forbidden)
	_, _, err = b.send(http.MethodPost, g.Files["in.txt"].URL, "")
	want(t, err, fault.Forbidden)
	_, _, err = b.send(http.MethodPatch, g.Files["/out.txt"].URL, "x")
	want(t, err, fault.Forbidden)
	_, _, err = b.send(http.MethodDelete, g.Files["/out.txt"].URL+"?version=x", "")
	want(t, err, fault.Invalid)
}

func TestCapabilitiesEndAndCannotBeMade(t *testing.T) {
	b := open(t)
	b.put("li", "/a", "a")
	g := b.grant("k", map[string]string{"/a": "read"})
	file, space := g.Files["/a"].URL, g.Workspace
	cut := strings.LastIndex(file, "/")
	for name, url := range map[string]string{
		"no token":                   file[:cut+1],
		"changed":                    file[:cut+6] + "AAAA" + file[cut+10:],
		"cut":                        file[:len(file)-1],
		"a workspace's as a file's":  strings.Replace(space, "/w/", "/c/", 1),
		"a file's as a workspace's":  strings.Replace(file, "/c/", "/w/", 1),
		"a person's as a file's":     b.base + "/c/" + strings.TrimPrefix(b.as("li", policy.Owner)[1], "Bearer "),
		"a capability as a person's": b.base + "/get?path=/a",
	} {
		_, _, err := b.send(http.MethodGet, url, "", "Authorization", "Bearer "+file[cut+1:])
		if !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.ahead.Store(16 * 60)
	_, _, err := b.send(http.MethodGet, file, "")
	want(t, err, fault.Unauthorized)
	_, _, err = b.send(http.MethodPost, space, `{"op":"list","path":"/"}`)
	want(t, err, fault.Unauthorized)
}

func TestGrantRefuses(t *testing.T) {
	b := open(t)
	for name, tc := range map[string]struct {
		path, mode string
		want       fault.Kind
	}{
		"up":                 {"/../x", "read", fault.Invalid},
		"an unknown mode":    {"/x", "append", fault.Invalid},
		"a template":         {"/templates/x", "write", fault.Forbidden},
		"a hidden template":  {"a/../templates/x", "write", fault.Invalid},
		"a dotted template":  {"./templates//x", "write", fault.Forbidden},
		"a file in the bin":  {"/.trash/x", "write", fault.Forbidden},
		"the root":           {"/", "write", fault.Invalid},
		"a NUL in the path":  {"/x\x00", "read", fault.Invalid},
		"full-width dots up": {"/．．/x", "read", fault.Invalid},
	} {
		in := files.GrantRequest{Owner: "li", Run: "r", Step: "s", Key: "k", Files: map[string]string{tc.path: tc.mode}}
		if err := b.call("/grant", in, nil); !fault.Is(err, tc.want) || !strings.Contains(fault.Text(err), "files[") {
			t.Errorf("%s: %v", name, err)
		}
	}
	want(t, b.call("/grant", files.GrantRequest{Owner: "li"}, nil), fault.Invalid)
}

func TestInternalPathsAreSigned(t *testing.T) {
	b := open(t)
	for _, path := range []string{"/grant", "/revert", "/put"} {
		_, _, err := b.send(http.MethodPost, b.base+path, `{"owner":"li"}`)
		want(t, err, fault.Unauthorized)
		_, _, err = b.send(http.MethodPost, b.base+path, `{"owner":"li"}`, b.as("li", policy.Owner)...)
		want(t, err, fault.Unauthorized)
	}
}

func TestWorkspaceAPI(t *testing.T) {
	b := open(t)
	space := b.grant("k", nil).Workspace
	op := func(body string) plugin.WorkspaceReply {
		t.Helper()
		raw, _, err := b.send(http.MethodPost, space, body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		var reply plugin.WorkspaceReply
		if err := json.Unmarshal([]byte(raw), &reply); err != nil {
			t.Fatal(err)
		}
		return reply
	}
	if f := op(`{"op":"write","path":"/a","content":"YQ=="}`).File; f == nil || f.Version != 1 || f.Size != 1 {
		t.Errorf("%+v", f)
	}
	if r := op(`{"op":"read","path":"/a"}`); string(r.Content) != "a" {
		t.Errorf("%+v", r)
	}
	if r := op(`{"op":"made","path":"/a"}`); r.File == nil || r.File.Version != 1 {
		t.Errorf("%+v", r)
	}
	if r := op(`{"op":"made","path":"/b"}`); r.File != nil {
		t.Errorf("%+v", r)
	}
	if r := op(`{"op":"list","path":"/"}`); len(r.Files) != 1 || r.Truncated {
		t.Errorf("%+v", r)
	}
	op(`{"op":"revert","path":"/a","version":1}`)
	_, _, err := b.send(http.MethodPost, space, `{"op":"stat","path":"/a"}`)
	want(t, err, fault.NotFound)
	_, _, err = b.send(http.MethodPost, space, `{"op":"format","path":"/a"}`)
	want(t, err, fault.Invalid)
	_, _, err = b.send(http.MethodPost, space, `{"op":"list","path":"/","owner":"other"}`)
	want(t, err, fault.Invalid)
	_, _, err = b.send(http.MethodGet, space, "")
	want(t, err, fault.Invalid)
	_, _, err = b.send(http.MethodPost, space, `{"op":"write","path":"/big","content":"`+strings.Repeat("A", 9<<20)+`"}`)
	want(t, err, fault.TooLarge)
}

func TestRevertByReceipt(t *testing.T) {
	b := open(t)
	b.put("li", "/a", "before")
	g := b.grant("k", map[string]string{"/a": "write", "/b": "write"})
	var made []plugin.Artifact
	for _, path := range []string{"/a", "/b"} {
		raw, _, err := b.send(http.MethodPut, g.Files[path].URL, "after")
		if err != nil {
			t.Fatal(err)
		}
		var a plugin.Artifact
		if err := json.Unmarshal([]byte(raw), &a); err != nil {
			t.Fatal(err)
		}
		made = append(made, a)
	}
	in := files.RevertRequest{Owner: "li", Run: "r1", Step: "s1", Key: "k", Artifacts: made}
	for range 2 {
		if err := b.call("/revert", in, nil); err != nil {
			t.Fatal(err)
		}
	}
	listed, _, err := b.send(http.MethodGet, b.base+"/list?path=/", "", b.as("li", policy.Member)...)
	if err != nil || strings.Contains(listed, `"/b"`) || !strings.Contains(listed, `"path":"/a","version":3`) {
		t.Errorf("%s %v", listed, err)
	}
	b.put("li", "/a", "by somebody else")
	if err := b.call("/revert", files.RevertRequest{Owner: "li", Key: "k", Artifacts: made[:1]}, nil); err != nil {
		t.Errorf("it was taken back before: %v", err)
	}
}

func TestPeople(t *testing.T) {
	b := open(t)
	b.put("li", "/报告.html", "<script>alert(1)</script>")
	li, wang, operator, guest := b.as("li", policy.Member), b.as("wang", policy.Member), b.as("op", policy.Operator), b.as("x", policy.Guest)
	path := b.base + "/get?path=/%E6%8A%A5%E5%91%8A.html"
	got, h, err := b.send(http.MethodGet, path, "", li...)
	if err != nil || got != "<script>alert(1)</script>" {
		t.Fatalf("%q %v", got, err)
	}
	if !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || !strings.Contains(h.Get("Content-Disposition"), "%E6%8A%A5") ||
		h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("a browser could run it: %v", h)
	}
	for name, tc := range map[string]struct {
		method, url string
		as          []string
		want        fault.Kind
	}{
		"nobody":              {http.MethodGet, path, nil, fault.Unauthorized},
		"somebody else":       {http.MethodGet, path, wang, fault.NotFound},
		"a foreign workspace": {http.MethodGet, path + "&owner=li", wang, fault.Forbidden},
		"a foreign list":      {http.MethodGet, b.base + "/list?path=/&owner=li", wang, fault.Forbidden},
		"a foreign upload":    {http.MethodPut, b.base + "/upload?path=/x&owner=li", wang, fault.Forbidden},
		"shared templates":    {http.MethodPut, b.base + "/upload?path=/templates/x&owner=templates", wang, fault.Forbidden},
		"a guest":             {http.MethodGet, b.base + "/list?path=/", guest, fault.Forbidden},
		"a guest's upload":    {http.MethodPut, b.base + "/upload?path=/x", guest, fault.Forbidden},
		"a bad path":          {http.MethodGet, b.base + "/get?path=/../x", li, fault.Invalid},
		"a bad version":       {http.MethodGet, path + "&version=-1", li, fault.Invalid},
		"an unknown address":  {http.MethodGet, b.base + "/etc/passwd", li, fault.NotFound},
	} {
		if _, _, err := b.send(tc.method, tc.url, "x", tc.as...); !fault.Is(err, tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	if got, _, err := b.send(http.MethodGet, path+"&owner=li", "", operator...); err != nil || got == "" {
		t.Errorf("an operator: %v", err)
	}
	if _, _, err := b.send(http.MethodPut, b.base+"/upload?path=/templates/x.md&owner=templates", "shared", operator...); err != nil {
		t.Error(err)
	}
	if got, _, err := b.send(http.MethodGet, b.base+"/list?path=/templates", "", wang...); err != nil || !strings.Contains(got, "/templates/x.md") {
		t.Errorf("%s %v", got, err)
	}
}

func TestCookieChangesOnlyFromOurPage(t *testing.T) {
	b := open(t)
	cookie := gateway.Cookie + "=" + strings.TrimPrefix(b.as("li", policy.Member)[1], "Bearer ")
	_, _, err := b.send(http.MethodPut, b.base+"/upload?path=/x", "x", "Cookie", cookie, "Sec-Fetch-Site", "cross-site")
	want(t, err, fault.Forbidden)
	if _, _, err := b.send(http.MethodPut, b.base+"/upload?path=/x", "x", "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); err != nil {
		t.Error(err)
	}
}

func TestEmptyTrash(t *testing.T) {
	b := open(t)
	b.put("li", "/a", "a")
	space := b.grant("k", nil).Workspace
	if _, _, err := b.send(http.MethodPost, space, `{"op":"delete","path":"/a"}`); err != nil {
		t.Fatal(err)
	}
	li := b.as("li", policy.Member)
	if got, _, err := b.send(http.MethodGet, b.base+"/list?path=/.trash", "", li...); err != nil || !strings.Contains(got, "/a") {
		t.Fatalf("%s %v", got, err)
	}
	b.ahead.Store(1)
	if got, _, err := b.send(http.MethodDelete, b.base+"/trash", "", li...); err != nil || !strings.Contains(got, `"removed":2`) {
		t.Fatalf("%s %v", got, err)
	}
	if got, _, err := b.send(http.MethodGet, b.base+"/list?path=/.trash", "", li...); err != nil || got != `{"files":[]}`+"\n" {
		t.Fatalf("%s %v", got, err)
	}
}

// TestUploadsAreBounded sends more than a file may have, with and without saying so.
func TestUploadsAreBounded(t *testing.T) {
	b := open(t)
	g := b.grant("k", map[string]string{"/big": "write"})
	size := workspace.DefaultLimits.File + 10
	for _, announced := range []int64{size, -1} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.Files["/big"].URL, io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = announced
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // the server hung up on the sender, as it may
		}
		want(t, fault.Read(resp), fault.TooLarge)
		resp.Body.Close()
	}
	_, _, err := b.send(http.MethodGet, g.Files["/big"].URL, "")
	want(t, err, fault.NotFound)
}

// TestBrokenUploadLeavesNothing: a sender that hangs up has not written half a file.
func TestBrokenUploadLeavesNothing(t *testing.T) {
	b := open(t)
	g := b.grant("k", map[string]string{"/a": "write"})
	body := io.MultiReader(bytes.NewReader(make([]byte, 200_000)), broken{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.Files["/a"].URL, body)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Fatalf("status %d", resp.StatusCode)
	}
	_, _, err = b.send(http.MethodGet, g.Files["/a"].URL, "")
	want(t, err, fault.NotFound)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the line is cut") }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestKeysSeparateSteps: another key is another effect.
func TestKeysSeparateSteps(t *testing.T) {
	b := open(t)
	for i := range 3 {
		g := b.grant(fmt.Sprint("k", i), map[string]string{"/a": "write"})
		raw, _, err := b.send(http.MethodPut, g.Files["/a"].URL, fmt.Sprint(i))
		if err != nil || !strings.Contains(raw, fmt.Sprintf(`"version":%d`, i+1)) {
			t.Errorf("%s %v", raw, err)
		}
	}
}
