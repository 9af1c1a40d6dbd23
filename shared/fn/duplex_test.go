package fn_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearthfaas/hearth/shared/fn/fntest"
)

// A function may answer while it reads: the whole body comes to it, and the whole answer back.
func TestAnswerWhileReading(t *testing.T) {
	server := fntest.Start(t, function(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Errorf("the function reads: %v", err)
		}
	}), fntest.Env(t, nil))
	sent := bytes.Repeat([]byte("0123456789abcdef"), 48<<10/16)
	for range 20 {
		resp, err := http.Post(server.URL, "application/octet-stream", bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes came back as %d: %v", len(sent), len(got), err)
		}
	}
}

// What a function leaves unread harms neither its answer nor the next call on the connection.
func TestUnreadBody(t *testing.T) {
	server := fntest.Start(t, function(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.CopyN(io.Discard, r.Body, r.ContentLength%3); err != nil {
			t.Errorf("the function reads: %v", err)
		}
		fmt.Fprint(w, "no, thank you")
	}), fntest.Env(t, nil))
	for n := range 200 {
		size := []int{1, 5_000, 64 << 10, 0}[n%4]
		resp, err := http.Post(server.URL, "", strings.NewReader(strings.Repeat("x", size+n%3)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != "no, thank you" {
			t.Fatalf("call %d of %d bytes: %q, %v", n, size, got, err)
		}
	}
}

// A client may wait for the whole answer before it ends its body.
func TestAnswerBeforeTheBodyEnds(t *testing.T) {
	server := fntest.Start(t, function(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "early") }), fntest.Env(t, nil))
	body, more := io.Pipe()
	go fmt.Fprint(more, "begin")
	resp, err := http.Post(server.URL, "", body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := make([]byte, 5)
	if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "early" {
		t.Fatalf("got %q, %v", got, err)
	}
	more.Close()
}

// Who asks whether to send a body, and is refused, is not waited for.
func TestExpectedContinue(t *testing.T) {
	server := fntest.Start(t, function(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }), fntest.Env(t, nil))
	body, more := io.Pipe()
	defer more.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	client := http.Client{Transport: &http.Transport{ExpectContinueTimeout: 1 << 40}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, %v", resp.StatusCode, err)
	}
}

// After a body that did not come whole, the rest of it is not taken for another request.
func TestLateBodyIsNoRequest(t *testing.T) {
	served := make(chan string, 2)
	server := fntest.Start(t, function(func(w http.ResponseWriter, r *http.Request) {
		served <- r.URL.Path
		connection := http.NewResponseController(w)
		_ = connection.SetReadDeadline(time.Unix(1, 0)) // the time for the body is over
		_, err := io.ReadAll(r.Body)
		fmt.Fprint(w, err)
	}), fntest.Env(t, nil))
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
	answer := bufio.NewReader(c)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("got %q, %v", line, err)
	}
	fmt.Fprint(c, "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
	_, _ = io.Copy(io.Discard, answer) // until the connection is closed
	if first := <-served; first != "/first" || len(served) != 0 {
		t.Errorf("%s was served, and %d more", first, len(served))
	}
}
