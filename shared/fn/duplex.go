package fn

import (
	"io"
	"net/http"
	"sync/atomic"
)

// Duplex lets the handler of r answer while it reads: without it, an HTTP/1 server swallows what is left of the
// body when the answer begins. The handler gets the request that Duplex returns, and settle is called when it
// has returned. Servers without that habit are left as they are.
//
// What the handler did not read, settle reads, at most as much as the server would. The server itself does so
// too late in full duplex: it meets the reader that waits for the client's next request, and panics. Hosts may
// be nested: the outermost sees to it.
func Duplex(w http.ResponseWriter, r *http.Request) (request *http.Request, settle func()) {
	connection := http.NewResponseController(w)
	_, nested := r.Body.(*duplexBody)
	if nested || r.Body == nil || r.Body == http.NoBody || connection.EnableFullDuplex() != nil {
		return r, func() {}
	}
	body := &duplexBody{ReadCloser: r.Body}
	request = new(http.Request)
	*request = *r
	request.Body = body
	return request, func() {
		// Who expects a 100-continue that nobody sent will send no body, and gets the connection closed.
		if body.ended.Load() || !body.begun.Load() && r.Header.Get("Expect") != "" {
			return
		}
		if connection.Flush() != nil { // a client may wait for the answer before it sends the rest
			return
		}
		if err := body.Close(); err != nil || body.failed.Load() {
			panic(http.ErrAbortHandler) // what still comes of this body must not be read as the next request
		}
	}
}

// duplexBody remembers how far a body was read.
type duplexBody struct {
	io.ReadCloser
	begun, ended, failed atomic.Bool
}

func (b *duplexBody) Read(p []byte) (int, error) {
	b.begun.Store(true)
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.ended.Store(true)
	default:
		b.failed.Store(true)
	}
	return n, err
}
