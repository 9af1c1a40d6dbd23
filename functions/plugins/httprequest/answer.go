package httprequest

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/plugin"
)

// Bounds of an answer in bytes, after decompression.
const (
	maxJSON    = 512 << 10
	maxText    = 256 << 10
	maxExcerpt = 300
	longest    = time.Hour // that a service may make us wait
)

// told are the headers of an answer that later steps can use.
var told = []string{
	"Content-Type", "Content-Language", "Content-Disposition", "Etag", "Last-Modified", "Location", "Link", "Retry-After", "Date", "X-Request-Id", "X-Total-Count",
}

// judge gives an answer that is no success its kind. A redirect of what does more than read is told as it is where
// the request was taken (303, and 301 and 302 by habit), and is a failure where it was not (307, 308).
func (x *exchange) judge(resp *http.Response) error {
	status, req := resp.StatusCode, resp.Request
	moved := status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
	if status < 400 && !moved {
		return nil
	}
	text := req.URL.Host + " answered " + resp.Status
	if excerpt := excerpt(resp); excerpt != "" {
		text += ": " + excerpt
	}
	switch {
	case status == http.StatusTooManyRequests:
		return fault.New(fault.Limited, "%s", text).In(x.retryAfter(resp))
	case status == http.StatusServiceUnavailable, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return fault.New(fault.Unavailable, "%s", text).In(x.retryAfter(resp))
	case moved:
		return fault.New(fault.Failed, "%s (%s)", text, resp.Header.Get("Location")).At("params.url").Try("send it to the new address")
	case status < 500, status == http.StatusNotImplemented, status == http.StatusHTTPVersionNotSupported:
		return fault.New(fault.Failed, "%s", text)
	case reads(req.Method):
		return fault.New(fault.Unavailable, "%s", text)
	default:
		return fault.New(fault.Unknown, "%s; it may have acted", text)
	}
}

// retryAfter is a number of seconds or a date (RFC 9110, section 10.2.3).
func (x *exchange) retryAfter(resp *http.Response) time.Duration {
	text := resp.Header.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(seconds, int(longest.Seconds()))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(x.now)
	}
	return min(max(wait, 0), longest)
}

// excerpt is the start of what an error says: one line, from outside, and perhaps long.
func excerpt(resp *http.Response) string {
	body, err := decoded(resp)
	if err != nil {
		return ""
	}
	raw, _ := io.ReadAll(io.LimitReader(body, 4*maxExcerpt)) // what came is better than nothing
	text := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(raw), ""), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(text) > maxExcerpt {
		text = strings.ToValidUTF8(text[:maxExcerpt], "") + "…"
	}
	return text
}

// read takes the answer in. That a service acted is certain now, so of one that did more than be read, what came
// of the answer is the result.
func (x *exchange) read(c *plugin.Call, in In, resp *http.Response) (Out, error) {
	out := Out{Status: resp.StatusCode, URL: resp.Request.URL.String(), Headers: map[string]string{}}
	for _, name := range told {
		if value := resp.Header.Get(name); value != "" {
			out.Headers[strings.ToLower(name)] = strings.ToValidUTF8(value[:min(len(value), 2048)], "")
		}
	}
	body, err := decoded(resp)
	if err == nil && in.Output != "" {
		out.Size, err = save(c, in.Output, body)
		if err != nil {
			return Out{}, x.broken(resp, err)
		}
		return out, nil
	}
	var raw []byte
	if err == nil {
		raw, err = io.ReadAll(io.LimitReader(body, maxJSON+1))
	}
	if err != nil && reads(in.Method) {
		return Out{}, x.broken(resp, err)
	}
	out.Truncated = err != nil || len(raw) > maxJSON
	out.Size = int64(len(raw))
	out.fill(raw, resp.Header.Get("Content-Type"))
	return out, nil
}

// fill puts the body where it belongs.
func (o *Out) fill(raw []byte, kind string) {
	media, _, _ := mime.ParseMediaType(kind)
	isJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	if isJSON && !o.Truncated && json.Valid(raw) {
		o.JSON = raw
		return
	}
	o.Truncated = o.Truncated || len(raw) > maxText
	raw = raw[:min(len(raw), maxText)]
	for n := 0; n < utf8.UTFMax && o.Truncated && len(raw) > 0 && !utf8.Valid(raw); n++ {
		raw = raw[:len(raw)-1] // the cut went through a character
	}
	if utf8.Valid(raw) { // anything else is for a file
		o.Text = string(raw)
	}
}

// broken is an answer to a reading request that did not come whole.
func (x *exchange) broken(resp *http.Response, err error) error {
	if _, ok := err.(*fault.Error); ok {
		return err
	}
	return fault.As(fault.Unavailable, err, "the answer of %s broke off", resp.Request.URL.Host)
}

func save(c *plugin.Call, path string, body io.Reader) (int64, error) {
	local, err := c.Create(path)
	if err != nil {
		return 0, err
	}
	f, err := os.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fault.As(fault.Unavailable, err, "the call's folder takes no file")
	}
	defer f.Close()
	n, err := io.Copy(f, io.LimitReader(body, plugin.MaxFile+1))
	if err != nil {
		return 0, err
	}
	if n > plugin.MaxFile {
		return 0, fault.New(fault.TooLarge, "the answer is over the %d bytes that a file may have", plugin.MaxFile).At("params.output")
	}
	return n, f.Close()
}

// decoded undoes the answer's compression. Whoever reads sets a bound on what comes out.
func decoded(resp *http.Response) (io.Reader, error) {
	if resp.Request.Method == http.MethodHead {
		return strings.NewReader(""), nil
	}
	switch encoding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		return resp.Body, nil
	case "gzip", "x-gzip":
		return unlessEmpty(resp.Body, func(r *bufio.Reader) (io.Reader, error) { return gzip.NewReader(r) })
	case "deflate":
		return unlessEmpty(resp.Body, inflate)
	default:
		return nil, fault.New(fault.Failed, "the answer of %s is compressed in a way that nobody asked for (%.40q)", resp.Request.URL.Host, encoding)
	}
}

// unlessEmpty leaves a body without a byte alone, such as that of a 204.
func unlessEmpty(body io.Reader, open func(*bufio.Reader) (io.Reader, error)) (io.Reader, error) {
	r := bufio.NewReader(body)
	if _, err := r.Peek(1); err == io.EOF {
		return r, nil
	}
	return open(r)
}

// inflate reads deflate with the zlib header that the standard asks for, and without it, as some servers send it.
func inflate(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(r)
	}
	return flate.NewReader(r), nil
}
