package inherited

import (
	"net"
	"testing"
)

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func portOf(ln net.Listener) string {
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// A socket is found by its address, however that is written, and only once.
func TestListen(t *testing.T) {
	t.Parallel()
	local, everywhere, last := listen(t, "127.0.0.1:0"), listen(t, ":0"), listen(t, "127.0.0.1:0")
	s := &Set{all: []*socket{{Listener: local}, {Listener: everywhere}, {Listener: last, name: "listener7"}}}
	for _, test := range []struct {
		address, name string
		want          net.Listener
	}{
		{":" + portOf(local), "", nil},
		{"127.0.0.1:" + portOf(everywhere), "", nil},
		{"localhost:" + portOf(local), "", local},
		{"127.0.0.1:" + portOf(local), "", nil}, // it is taken
		{"127.0.0.1:0", "", nil},
		{"127.0.0.1:0", "listener6", nil},
		{"0.0.0.0:" + portOf(everywhere), "", everywhere},
	} {
		if got, err := s.Listen(test.address, test.name); err != nil || got != test.want {
			t.Errorf("%s %s: got %v, %v", test.address, test.name, got, err)
		}
	}
	if rest := s.Rest(); len(rest) != 1 || rest[0] != last.Addr().String() {
		t.Errorf("nobody has asked for %v", rest)
	}
	if got, err := s.Listen("127.0.0.1:0", "listener7"); err != nil || got != last {
		t.Errorf("by its name: got %v, %v", got, err)
	}
	if _, err := s.Listen("no address", ""); err == nil {
		t.Error("found a socket of no address")
	}
}

// What is not for this process, or is no number, opens nothing.
func TestTake(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		environ map[string]string
		anyPID  bool
		wrong   bool
	}{
		{environ: nil},
		{environ: map[string]string{EnvCount: "1"}},
		{environ: map[string]string{EnvCount: "1", EnvPID: "8"}, anyPID: true},
		{environ: map[string]string{EnvCount: "x", EnvPID: "7"}, wrong: true},
		{environ: map[string]string{EnvCount: "-1", EnvPID: "7"}, wrong: true},
		{environ: map[string]string{EnvCount: "100000", EnvPID: "7"}, wrong: true},
		{environ: map[string]string{EnvCount: "x"}, anyPID: true, wrong: true},
	} {
		if s, err := Take(test.environ, 7, test.anyPID); s != nil || (err != nil) != test.wrong {
			t.Errorf("%v: got %v, %v", test.environ, s, err)
		}
	}
	var none *Set
	if ln, err := none.Listen(":25", ""); ln != nil || err != nil || len(none.Rest()) > 0 {
		t.Errorf("no sockets: got %v, %v", ln, err)
	}
	none.Close()
}

// Close leaves alone what was taken.
func TestClose(t *testing.T) {
	t.Parallel()
	taken, left := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	s := &Set{all: []*socket{{Listener: taken}, {Listener: left}}}
	if _, err := s.Listen(taken.Addr().String(), ""); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := taken.Close(); err != nil {
		t.Errorf("the one that was taken: %v", err)
	}
	if left.Close() == nil {
		t.Error("the other one is open")
	}
}
