// Package blobtest is the suite that every kind of blob store passes.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/hearthfaas/hearth/shared/blob"
	"github.com/hearthfaas/hearth/shared/fault"
)

// Target is a store under test, with a way behind its back.
type Target struct {
	Store *blob.Store
	Raw   func(t testing.TB, key string) []byte          // the object as it is stored
	Plant func(t testing.TB, key string, content []byte) // replaces it
}

// chunk is the size of the pieces that an object is sealed in; the suite tries sizes around it.
const chunk = 64 << 10

// Run runs the suite. Each test opens its own target, which may share the server.
func Run(t *testing.T, open func(t *testing.T) Target) {
	tests := map[string]func(t *testing.T, target Target){
		"round trip":           roundTrip,
		"unknown size":         unknownSize,
		"wrong size":           wrongSize,
		"missing":              missing,
		"replace":              replace,
		"broken reader":        brokenReader,
		"sealed":               sealed,
		"damage is noticed":    damage,
		"chunks do not travel": chunksStay,
		"bad keys":             badKeys,
		"content addressed":    contentAddressed,
		"concurrent":           concurrent,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t testing.TB, s *blob.Store, key string, content []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func read(ctx context.Context, s *blob.Store, key string) ([]byte, error) {
	r, err := s.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	return content, errors.Join(err, r.Close())
}

func want(t testing.TB, s *blob.Store, key string, content []byte) {
	t.Helper()
	got, err := read(t.Context(), s, key)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%s: %d bytes, want %d: %v", key, len(got), len(content), err)
	}
}

// pattern returns n bytes that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>16) ^ byte(i>>8) ^ byte(i)
	}
	return b
}

func roundTrip(t *testing.T, target Target) {
	for _, n := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3*chunk + 7, 17 << 20} {
		put(t, target.Store, "trip/a", pattern(n))
		want(t, target.Store, "trip/a", pattern(n))
	}
}

func unknownSize(t *testing.T, target Target) {
	content := pattern(2*chunk + 5)
	if err := target.Store.Put(t.Context(), "unknown/a", iotest.HalfReader(bytes.NewReader(content)), -1); err != nil {
		t.Fatal(err)
	}
	want(t, target.Store, "unknown/a", content)
}

func wrongSize(t *testing.T, target Target) {
	put(t, target.Store, "size/a", []byte("old"))
	for _, size := range []int64{0, 4, 6, chunk, blob.MaxSize} {
		if err := target.Store.Put(t.Context(), "size/a", strings.NewReader("fresh"), size); !fault.Is(err, fault.Invalid) {
			t.Errorf("5 bytes announced as %d: %v", size, err)
		}
	}
	if err := target.Store.Put(t.Context(), "size/a", strings.NewReader(""), blob.MaxSize+1); !fault.Is(err, fault.TooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	want(t, target.Store, "size/a", []byte("old"))
}

func missing(t *testing.T, target Target) {
	if _, err := read(t.Context(), target.Store, "none/a"); !fault.Is(err, fault.NotFound) {
		t.Errorf("get: %v", err)
	}
	if found, err := target.Store.Exists(t.Context(), "none/a"); found || err != nil {
		t.Errorf("exists: %v %v", found, err)
	}
	if err := target.Store.Delete(t.Context(), "none/a"); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func replace(t *testing.T, target Target) {
	put(t, target.Store, "re/place", pattern(2*chunk))
	put(t, target.Store, "re/place", []byte("short"))
	want(t, target.Store, "re/place", []byte("short"))
	if err := target.Store.Delete(t.Context(), "re/place"); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t.Context(), target.Store, "re/place"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("after delete: %v", err)
	}
}

func brokenReader(t *testing.T, target Target) {
	put(t, target.Store, "broken/a", []byte("old"))
	cause := fault.New(fault.Limited, "the sender gave up")
	r := io.MultiReader(bytes.NewReader(pattern(chunk+1)), iotest.ErrReader(cause))
	if err := target.Store.Put(t.Context(), "broken/a", r, 2*chunk); !fault.Is(err, fault.Limited) {
		t.Errorf("the reader's own error is lost: %v", err)
	}
	for _, cut := range []int{3, chunk, chunk + 1} { // an upload whose sender hung up looks like this
		r = io.MultiReader(bytes.NewReader(pattern(cut)), iotest.ErrReader(io.ErrUnexpectedEOF))
		if err := target.Store.Put(t.Context(), "broken/a", r, -1); !fault.Is(err, fault.Invalid) {
			t.Errorf("cut short after %d bytes: %v", cut, err)
		}
	}
	want(t, target.Store, "broken/a", []byte("old"))
}

func sealed(t *testing.T, target Target) {
	secret := []byte("quarterly figures, do not share")
	put(t, target.Store, "seal/a", secret)
	first := target.Raw(t, "seal/a")
	if bytes.Contains(first, secret[:9]) {
		t.Error("the store sees the content")
	}
	put(t, target.Store, "seal/a", secret)
	if bytes.Equal(first, target.Raw(t, "seal/a")) {
		t.Error("the same content is sealed to the same bytes")
	}
}

func damage(t *testing.T, target Target) {
	put(t, target.Store, "damage/a", pattern(3*chunk))
	raw := target.Raw(t, "damage/a")
	header, step := 17, chunk+33
	for name, broken := range map[string][]byte{
		"one byte":               raw[:1],
		"header cut":             raw[:10],
		"version":                flip(raw, 0),
		"object id":              flip(raw, 5),
		"first chunk":            flip(raw, header+100),
		"last byte":              flip(raw, len(raw)-1),
		"cut in a chunk":         raw[:len(raw)-1],
		"cut between chunks":     raw[:header+2*step],
		"only the header":        raw[:header],
		"a byte more":            append(bytes.Clone(raw), 0),
		"chunks in other order":  swap(raw, header, step),
		"the first chunk is out": append(bytes.Clone(raw[:header]), raw[header+step:]...),
	} {
		target.Plant(t, "damage/a", broken)
		if _, err := read(t.Context(), target.Store, "damage/a"); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func chunksStay(t *testing.T, target Target) {
	put(t, target.Store, "stay/a", pattern(2*chunk))
	older := target.Raw(t, "stay/a")
	put(t, target.Store, "stay/b", []byte("b"))
	target.Plant(t, "stay/b", older)
	if _, err := read(t.Context(), target.Store, "stay/b"); !fault.Is(err, fault.Internal) {
		t.Errorf("an object under another key: %v", err)
	}
	put(t, target.Store, "stay/a", pattern(2*chunk))
	mixed := target.Raw(t, "stay/a")
	copy(mixed[17:17+chunk+33], older[17:])
	target.Plant(t, "stay/a", mixed)
	if _, err := read(t.Context(), target.Store, "stay/a"); !fault.Is(err, fault.Internal) {
		t.Errorf("a chunk of an older object: %v", err)
	}
}

func badKeys(t *testing.T, target Target) {
	for _, key := range []string{
		"", "/a", "a/", "a//b", "../a", "a/../b", "a/..", ".a", "a/.b", "a\\b", "A", "a b", "a\x00", "ä", strings.Repeat("a", 513),
	} {
		if err := target.Store.Put(t.Context(), key, strings.NewReader("x"), 1); !fault.Is(err, fault.Internal) {
			t.Errorf("put %q: %v", key, err)
		}
		if _, err := target.Store.Get(t.Context(), key); !fault.Is(err, fault.Internal) {
			t.Errorf("get %q: %v", key, err)
		}
		if err := target.Store.Delete(t.Context(), key); !fault.Is(err, fault.Internal) {
			t.Errorf("delete %q: %v", key, err)
		}
	}
}

func contentAddressed(t *testing.T, target Target) {
	key, err := target.Store.Add(t.Context(), "add", []byte("same"))
	if err != nil {
		t.Fatal(err)
	}
	stored := target.Raw(t, key)
	again, err := target.Store.Add(t.Context(), "add", []byte("same"))
	if err != nil || again != key || !bytes.Equal(stored, target.Raw(t, key)) {
		t.Errorf("the same content: %s and %s: %v", key, again, err)
	}
	if other, err := target.Store.Add(t.Context(), "add", []byte("other")); err != nil || other == key {
		t.Errorf("other content: %s: %v", other, err)
	}
	if other, err := target.Store.Add(t.Context(), "elsewhere", []byte("same")); err != nil || other[len("elsewhere"):] == key[len("add"):] {
		t.Errorf("another space has the same name: %s: %v", other, err)
	}
	want(t, target.Store, key, []byte("same"))
}

// concurrent replaces one object from many sides: a reader sees one of the contents, whole.
func concurrent(t *testing.T, target Target) {
	put(t, target.Store, "race/a", bytes.Repeat([]byte{0}, 2*chunk))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			content := bytes.Repeat([]byte{byte(i)}, 2*chunk)
			if err := target.Store.Put(t.Context(), "race/a", bytes.NewReader(content), int64(len(content))); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			got, err := read(t.Context(), target.Store, "race/a")
			if err != nil || len(got) != 2*chunk || !bytes.Equal(got, bytes.Repeat(got[:1], 2*chunk)) {
				t.Errorf("a mixture of %d bytes: %v", len(got), err)
			}
		})
	}
	all.Wait()
}

func flip(raw []byte, i int) []byte {
	b := bytes.Clone(raw)
	b[i] ^= 1
	return b
}

// swap exchanges the first two chunks.
func swap(raw []byte, header, step int) []byte {
	b := bytes.Clone(raw)
	copy(b[header:], raw[header+step:header+2*step])
	copy(b[header+step:], raw[header:header+step])
	return b
}
