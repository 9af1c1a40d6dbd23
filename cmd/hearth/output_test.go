package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestFit(t *testing.T) {
	for _, c := range []struct {
		text string
		wide int
		want string
	}{
		{"short", 60, "short"},
		{" two\n lines\t", 60, "two lines"},
		{"1234567890", 10, "1234567890"},
		{"12345678901", 10, "123456789…"},
		{"生成报表并发送邮件", 10, "生成报表…"},
		{"生成报表并发", 11, "生成报表并…"},
		{"e\u0301te\u0301", 3, "e\u0301te\u0301"}, // an accent takes no column
		{"a\x1b[31mb", 60, "a[31mb"},
	} {
		if got := fit(c.text, c.wide); got != c.want {
			t.Errorf("fit(%q, %d) = %q", c.text, c.wide, got)
		}
	}
}

func TestTableOfWideWords(t *testing.T) {
	var out bytes.Buffer
	p := &printer{out: &out}
	p.table([]string{"A", "B"}, [][]string{{"报表", "x"}, {"", strings.Repeat("y", 100)}, {strings.Repeat("z", 100), ""}})
	want := "A" + strings.Repeat(" ", 61) + "B\n报表" + strings.Repeat(" ", 58) + "x\n" +
		strings.Repeat(" ", 62) + strings.Repeat("y", 100) + "\n" + strings.Repeat("z", 59) + "…\n"
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		25 * time.Millisecond: "25ms", 1234 * time.Millisecond: "1.2s", 125 * time.Second: "2m05s", 3*time.Hour + 12*time.Minute + time.Second: "3h12m",
	} {
		if got := span(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}

func TestEvents(t *testing.T) {
	stream := ": hello\n\nid: 1\ndata: a\n\ndata: b\ndata:c\n\nevent: x\nid: 3\n\nid: 4\nretry: 5\ndata: d\n\ndata: cut"
	var got []string
	alive := 0
	err := readEvents(strings.NewReader(stream), func() { alive++ }, func(e event) error {
		got = append(got, e.ID+"="+string(e.Data))
		return nil
	})
	if want := "1=a 1=b\nc 4=d"; err != nil || strings.Join(got, " ") != want || alive != strings.Count(stream, "\n")+1 {
		t.Errorf("%q %d %v", got, alive, err)
	}
	if err := readEvents(strings.NewReader("data: "+strings.Repeat("x", maxEvent+1)), func() {}, nil); err == nil {
		t.Error("an endless line is read")
	}
}

func TestPick(t *testing.T) {
	ids := []string{"r00-aa", "r00-ab", "r00-a"}
	for prefix, want := range map[string]string{"r00-a": "r00-a", "r00-aa": "r00-aa", "r00": "", "r01": "", "": ""} {
		if got, err := pick(ids, prefix); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v", prefix, got, err)
		}
	}
}
