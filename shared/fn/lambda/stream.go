package lambda

import (
	"context"
	"io"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
)

// stream is an http.ResponseWriter whose answer goes out as it is written.
type stream struct {
	header http.Header
	body   *io.PipeWriter
	begun  bool
	begin  chan<- *events.LambdaFunctionURLStreamingResponse
}

// open has the function answer r beside the invocation, and returns the answer when it begins. Whoever
// reads it closes it: that ends r and waits for the function, so that nothing of it reaches into the next
// invocation.
func (h *handler) open(r *http.Request, cancel context.CancelFunc) *events.LambdaFunctionURLStreamingResponse {
	read, write := io.Pipe()
	begin := make(chan *events.LambdaFunctionURLStreamingResponse, 1)
	w := &stream{header: http.Header{}, body: write, begin: begin}
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := h.serve(w, r)
		w.start(http.StatusOK, nil)
		write.CloseWithError(err) // nil is the regular end
	}()
	out := <-begin
	out.Body = &streamBody{PipeReader: read, cancel: cancel, done: done}
	return out
}

// streamBody is the body of an answer that is being written.
type streamBody struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   <-chan struct{}
}

// Close ends the answer and waits for the function.
func (b *streamBody) Close() error {
	b.cancel()
	err := b.PipeReader.Close()
	<-b.done
	return err
}

// Header returns the header to be sent.
func (s *stream) Header() http.Header { return s.header }

// WriteHeader sends the header. Informational ones are left out.
func (s *stream) WriteHeader(status int) {
	if status >= 200 {
		s.start(status, nil)
	}
}

// Write sends b.
func (s *stream) Write(b []byte) (int, error) {
	s.start(http.StatusOK, b)
	return s.body.Write(b)
}

// Flush sends the header: what is written goes out at once in any case.
func (s *stream) Flush() { s.start(http.StatusOK, nil) }

// start sends the header once.
func (s *stream) start(status int, body []byte) {
	if s.begun {
		return
	}
	s.begun = true
	headers, cookies := flatten(s.header, body)
	s.begin <- &events.LambdaFunctionURLStreamingResponse{StatusCode: status, Headers: headers, Cookies: cookies}
}
