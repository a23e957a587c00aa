package copybuffer

import (
	"bytes"
	"testing"
)

// A Buffer is large from a full read on until few bytes come, and goes back wiped.
func TestGrows(t *testing.T) { // not in parallel: nobody else may have the buffers
	b := Buffer{Grows: true}
	for i, step := range []struct{ n, want int }{
		{0, usualSize}, {usualSize - 1, usualSize}, {usualSize, BulkSize}, {BulkSize, BulkSize}, {0, BulkSize}, {usualSize / 2, BulkSize},
		{usualSize/2 - 1, usualSize}, {usualSize - 1, usualSize}, {usualSize, BulkSize}, {1, usualSize}, {0, usualSize},
	} {
		space := b.Space()
		space[0], space[len(space)-1] = 'x', 'x'
		b.Filled(step.n)
		if i%3 == 1 {
			b.Release()
		}
		if got := len(b.Space()); got != step.want {
			t.Errorf("step %d: after %d bytes the buffer has %d, want %d", i, step.n, got, step.want)
		}
		if (i%3 == 1 || step.want != len(space)) && bytes.Contains(space, []byte("x")) {
			t.Errorf("step %d: a buffer goes back with something in it", i)
		}
	}
	last := b.Space()
	last[len(last)-1] = 'x'
	if b.Release(); bytes.Contains(last, []byte("x")) {
		t.Error("the last buffer goes back with something in it")
	}
	b = Buffer{}
	if b.Filled(usualSize); len(b.Space()) != usualSize {
		t.Error("a buffer that is not to grow does")
	}
	b.Release()
}
