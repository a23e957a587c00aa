package testenv

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Serve accepts on loopback until the test ends and hands each connection to
// handle, which need not close it. It waits for all of them.
func Serve(t testing.TB, handle func(net.Conn)) *net.TCPAddr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, listener, handle)
}

// ServeOn is Serve on that address. A machine that cannot listen on it skips the
// test.
func ServeOn(t testing.TB, address string, handle func(net.Conn)) *net.TCPAddr {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("this machine cannot listen on %s: %v", address, err)
	}
	return serve(t, listener, handle)
}

func serve(t testing.TB, listener net.Listener, handle func(net.Conn)) *net.TCPAddr {
	t.Helper()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().(*net.TCPAddr)
}

// TCPPair returns both ends of a connection over loopback, which end with the test.
func TCPPair(t testing.TB) (dialled, accepted *net.TCPConn) {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if dialled, err = net.DialTCP("tcp", nil, listener.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialled.Close() })
	if accepted, err = listener.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accepted.Close() })
	return dialled, accepted
}

// Pipe is TCPPair with a bound on every wait.
func Pipe(t testing.TB) (client, server net.Conn) {
	t.Helper()
	client, server = TCPPair(t)
	for _, c := range []net.Conn{client, server} {
		if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
			t.Fatal(err)
		}
	}
	return client, server
}

// A Program is a server of others.
type Program struct {
	// Address is where it listens.
	Address string
	// Dial reaches Address; nil means net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Run starts the program, waits until its address answers, and ends it with the
// test.
func (p Program) Run(t testing.TB, name string, args ...string) {
	t.Helper()
	Need(t, name)
	if p.Dial == nil {
		p.Dial = new(net.Dialer).DialContext
	}
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); {
		conn, err := p.Dial(t.Context(), "tcp", p.Address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended with %v:\n%s", name, err, out.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen on %s", name, p.Address)
}
