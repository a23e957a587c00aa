package relay

import (
	"testing"

	"github.com/tlslift/tlslift/proxy/testenv"
	"golang.org/x/sys/unix"
)

// A reset that comes while a connection is looked at is seen where that look takes it away.
func TestResetWhileLookedAt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		says        string
		resets, end bool
		want        bool
	}{
		"a reset":                 {"", true, false, true},
		"a reset after a command": {"NOOP\r\n", true, false, false}, // which can be read, and the reset after it
		"an end":                  {"", false, true, true},
		"a command":               {"NOOP\r\n", false, false, false},
		"nothing":                 {"", false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := testenv.TCPPair(t)
			write(t, far, tt.says)
			if tt.resets {
				Reset(far)
			}
			if tt.end {
				_ = far.Close()
			}
			onSocket(near, func(fd int) {
				asked := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
				for tt.resets && asked[0].Revents&unix.POLLERR == 0 || name != "nothing" && asked[0].Revents == 0 {
					_, _ = unix.Poll(asked, -1)
				}
				if got := hasNothing(fd); got != tt.want {
					t.Errorf("got %t", got)
				}
			})
		})
	}
}
