package faults

import (
	"bufio"
	"slices"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	for wire, want := range map[string]struct {
		args  []string
		first byte
		minus bool
	}{
		"*2\r\n$7\r\nEVALSHA\r\n$1\r\na\r\n": {[]string{"EVALSHA", "a"}, 'E', false},
		"*2\r\n:1\r\n:7\r\n":                 {[]string{":1", ":7"}, '1', false},
		":-1\r\n":                            {[]string{":-1"}, '-', true},
		"-NOSCRIPT none\r\n":                 {[]string{"-NOSCRIPT none"}, '-', true},
		"$-1\r\n":                            {[]string{""}, 0, false},
		"*-1\r\n":                            {nil, 0, false},
		"*2\r\n*1\r\n:0\r\n$2\r\n\r\n\r\n":   {[]string{":0", "\r\n"}, '0', false},
	} {
		f, err := readFrame(bufio.NewReader(strings.NewReader(wire)))
		first, minus := f.result()
		if err != nil || string(f.raw) != wire || !slices.Equal(f.args, want.args) || first != want.first || minus != want.minus {
			t.Errorf("%q: %q %q %c %t %v", wire, f.raw, f.args, first, minus, err)
		}
	}
	for _, wire := range []string{"", "GET a\r\n", "*1\r\n", "$5\r\nab", "$x\r\n", strings.Repeat("*1\r\n", deepest+2)} {
		if f, err := readFrame(bufio.NewReader(strings.NewReader(wire))); err == nil {
			t.Errorf("%q is taken for %q", wire, f.args)
		}
	}
}

func TestLanesIn(t *testing.T) {
	got := lanesIn("h:{p3f}:l:s3f-abcdefghij2 r3f-klmnopqrst|x, not s3f-SHORT nor xr3f-abcdefghij")
	if want := []string{"s3f-abcdefghij2", "r3f-klmnopqrst"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
