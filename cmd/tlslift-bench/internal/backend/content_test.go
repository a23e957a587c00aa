package backend

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, blockSize - 1, blockSize, blockSize + 1, 3*blockSize + 17} {
		if got, err := Check(iotest.OneByteReader(Content(n))); got != n || err != nil {
			t.Errorf("%d, %v; want %d", got, err, n)
		}
	}
	all, err := io.ReadAll(Content(2*blockSize + 5))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, blockSize, len(all) - 1} {
		wrong := bytes.Clone(all)
		wrong[at] ^= 1
		if _, err := Check(bytes.NewReader(wrong)); err == nil {
			t.Errorf("byte %d is wrong, and was not noticed", at)
		}
	}
	if _, err := Check(bytes.NewReader(append(all[:7:7], all[8:]...))); err == nil {
		t.Error("a lost byte was not noticed")
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	for _, n := range []int{100, 2000, 1 << 20} {
		m := Mail(n)
		if len(m) < n || len(m) > n+200 || !strings.HasSuffix(m, ".\n") {
			t.Errorf("a mail of %d has %d bytes", n, len(m))
		}
	}
}

// Whatever is no content is refused, and nothing breaks.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{}, 3)
	f.Add([]byte{1}, 40000)
	f.Fuzz(func(t *testing.T, extra []byte, n int) {
		n = min(max(n, 0), 1<<17)
		all, _ := io.ReadAll(Content(int64(n + len(extra))))
		mixed := append(all[:n:n], extra...)
		got, err := Check(bytes.NewReader(mixed))
		if same := bytes.Equal(mixed, all); same != (err == nil) || same && got != int64(len(all)) {
			t.Errorf("%d, %v; the same: %v", got, err, same)
		}
	})
}
