package provider

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/fn"
)

// The two ways to call a function.
const (
	syncPrefix  = "/function/"
	asyncPrefix = "/async-function/"
)

// Handler serves the OpenFaaS API to callers from outside.
func (p *Provider) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.ours(r.Host) {
			fault.Write(w, fault.New(fault.Forbidden, "this gateway is not called %.100q", r.Host).
				Try("set HEARTH_PUBLIC_URL to the URL it is reached by"))
			return
		}
		p.forwarded(r)
		p.serve(w, r)
	})
}

// serve routes a request. Calls of functions are taken apart by hand: http.ServeMux would redirect paths
// that it finds unclean, and what is behind the function's name is the function's own affair.
func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	if name, inner, found := splitCall(r, syncPrefix); found {
		p.serveCall(w, inner, name)
		return
	}
	start, out := p.env.Now(), &answer{ResponseWriter: w}
	path := asyncPath
	if name, inner, found := splitCall(r, asyncPrefix); found {
		p.serveAsync(out, inner, name)
	} else {
		p.mux.ServeHTTP(out, r)
		path = routeOf(r)
	}
	p.metrics.request(r.Method, path, out.code(), p.env.Now().Sub(start))
}

// asyncPath stands for all async calls in metrics.
const asyncPath = "/async-function"

// routeOf returns the path of the route that served a request, without the values in it.
func routeOf(r *http.Request) string {
	_, path, found := strings.Cut(r.Pattern, " ")
	switch {
	case found:
		return path
	case r.Pattern != "":
		return r.Pattern
	default:
		return "none"
	}
}

// serveCall runs a call of a function from outside.
func (p *Provider) serveCall(w http.ResponseWriter, r *http.Request, name string) {
	s, err := p.registry.find(name)
	if err != nil {
		refuse(w, err)
		return
	}
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	s.stamp(r.Header)
	answerStamp(w.Header(), r.Header)
	if r.Body != http.NoBody && !s.function.Streams {
		r.Body = hurried(http.NewResponseController(w), r.Body, timeoutOf(s.function)+answerMargin)
	}
	r, settle := fn.Duplex(w, r)
	s.serve(w, r)
	settle()
}

// hurried returns a body that must come within limit: a function's own deadline does not interrupt the reading
// of one that never comes. When it has come the connection has no deadline any more, for one that expires
// ends this call and all later ones on the connection.
func hurried(connection *http.ResponseController, body io.ReadCloser, limit time.Duration) io.ReadCloser {
	_ = connection.SetReadDeadline(time.Now().Add(limit)) // writers inside have none
	return &hurriedBody{body, connection}
}

type hurriedBody struct {
	io.ReadCloser
	connection *http.ResponseController
}

func (b *hurriedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.connection.SetReadDeadline(time.Time{})
	}
	return n, err
}

// splitCall takes prefix and the function's name off a request's path: /function/NAME/rest becomes NAME and
// a shallow copy of the request for /rest.
func splitCall(r *http.Request, prefix string) (name string, inner *http.Request, found bool) {
	rest, found := strings.CutPrefix(r.URL.Path, prefix)
	if !found {
		return "", nil, false
	}
	name, _, _ = strings.Cut(rest, "/")
	taken := len(prefix) + len(name)
	inner = new(http.Request)
	*inner = *r
	inner.URL = new(url.URL)
	*inner.URL = *r.URL
	inner.URL.Path = "/" + strings.TrimPrefix(r.URL.Path[taken:], "/")
	if raw, ok := strings.CutPrefix(r.URL.RawPath, prefix+name); ok && r.URL.RawPath != "" {
		inner.URL.RawPath = "/" + strings.TrimPrefix(raw, "/")
	}
	inner.RequestURI = inner.URL.RequestURI()
	return name, inner, true
}

// ours reports whether a Host header names this machine as its callers know it. An IP address always
// does: a page of another site cannot make a browser send its own name's address, only its own name
// (DNS rebinding).
func (p *Provider) ours(host string) bool {
	name := hostname(host)
	return name == "localhost" || net.ParseIP(name) != nil || slices.Contains(p.config.Hosts, name)
}

// hostname returns the name or address in a Host header.
func hostname(host string) string {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	return strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
}

// forwarded replaces what a caller claims about the way the request came by what we know of it.
func (p *Provider) forwarded(r *http.Request) {
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Forwarded-") {
			delete(r.Header, name)
		}
	}
	delete(r.Header, "Forwarded")
	delete(r.Header, "X-Real-Ip")
	if ip, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		r.Header.Set("X-Forwarded-For", ip)
	}
	r.Header.Set("X-Forwarded-Host", r.Host)
	r.Header.Set("X-Forwarded-Proto", p.scheme(r.Host))
}

// scheme returns how a host is reached from outside.
func (p *Provider) scheme(host string) string {
	if p.config.TLS && slices.Contains(p.config.Hosts, hostname(host)) {
		return "https"
	}
	return "http"
}

// Transport returns the way by which functions inside this process reach the gateway. It routes by path,
// whatever the host: calls of inline functions skip the network, those of processes skip the gateway.
func (p *Provider) Transport() http.RoundTripper { return transport{p} }

type transport struct{ provider *Provider }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := inbound(r)
	if name, inner, found := splitCall(in, syncPrefix); found {
		return t.call(inner, name)
	}
	if name, inner, found := splitCall(in, asyncPrefix); found {
		defer inner.Body.Close()
		x := newExchange(func() {})
		t.provider.serveAsync(x, inner, name)
		x.finish(nil)
		return x.response(r), nil
	}
	return t.provider.exchange(t.provider.mux, in)
}

func (t transport) call(r *http.Request, name string) (*http.Response, error) {
	s, err := t.provider.registry.find(name)
	if err != nil {
		r.Body.Close()
		return refusal(r, err), nil
	}
	s.stamp(r.Header)
	return s.roundTrip(r)
}

// inbound returns an outgoing request as a server would get it.
func inbound(r *http.Request) *http.Request {
	in := new(http.Request)
	*in = *r
	in.Header = r.Header.Clone()
	if in.Header == nil {
		in.Header = http.Header{}
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	in.RemoteAddr = "127.0.0.1:0"
	return in
}
