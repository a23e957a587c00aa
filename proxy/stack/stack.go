// Package stack gives a goroutine room on its stack before it needs that.
//
// A new goroutine has 2 KiB, and the runtime copies all of its frames each time that it
// doubles them. To do that once, while there is one frame, costs less: most connections end
// soon after the last of these copies. It keeps nothing, and the runtime takes unused room
// back.
package stack

// room is what a goroutine needs that carries a connection and writes its record.
const room = 10 << 10

// Grow makes room on the stack of the goroutine that calls it.
//
//go:noinline
func Grow() {
	var frame [room]byte
	use(&frame)
}

// use keeps the compiler from leaving a frame out.
//
//go:noinline
func use(frame *[room]byte) { frame[0] = 1 }
