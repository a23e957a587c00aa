package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// A network is clients, a gateway, and the internet behind it, each a network
// namespace. Nothing in it reaches this machine's own network.
//
//	client 10.77.0.2, 10.77.0.3, fd77::2 -- gateway 10.77.0.1, fd77::1
//	gateway 10.78.0.1, fd78::1 -- internet 10.78.0.2, fd78::2 and addresses of its own
//	gateway 10.79.0.1, fd79::1 -- box 10.79.0.2, fd79::2: another host of the site
type network struct {
	t                              *testing.T
	client, gateway, internet, box namespace
	names                          map[string][]string // by address, as DNS would tell
}

// Addresses that Microsoft publishes for its mail, and for sign-in, and others.
const (
	mailAddress   = "52.96.1.2"
	mailAddress6  = "2603:1026::2"
	otherMail     = "52.96.1.3" // no name leads there
	signInAddress = "40.126.0.9"
	signInHost    = "login.microsoftonline.com"
	strange       = "9.9.9.9" // not Microsoft's
)

var networks atomic.Int32

// newNetwork makes a network that ends with the test.
func newNetwork(t *testing.T) *network {
	t.Helper()
	testenv.Need(t, "ip", "nft")
	testenv.NeedRoot(t, "make networks")
	id := fmt.Sprintf("tlslift-%d-%d-", os.Getpid(), networks.Add(1))
	n := &network{
		t: t, client: namespace(id + "client"), gateway: namespace(id + "gateway"),
		internet: namespace(id + "internet"), box: namespace(id + "box"),
		names: map[string][]string{
			mailAddress: {smtpHost, host}, mailAddress6: {smtpHost, host}, signInAddress: {signInHost}, strange: {"www.example.com"},
		},
	}
	for _, ns := range []namespace{n.client, n.gateway, n.internet, n.box} {
		n.addHost(ns)
	}
	n.connect(n.client, "77")
	n.connect(n.internet, "78")
	n.connect(n.box, "79")
	n.client.ip(t, "addr add 10.77.0.3/24 dev eth0")
	for _, address := range []string{mailAddress, otherMail, signInAddress, strange} {
		n.internet.ip(t, "addr add "+address+"/32 dev lo")
		n.gateway.ip(t, "route add "+address+" via 10.78.0.2")
	}
	n.internet.ip(t, "addr add "+mailAddress6+"/128 dev lo")
	n.gateway.ip(t, "-6 route add "+mailAddress6+" via fd78::2")
	return n
}

// addHost makes a host, which knows the names.
func (n *network) addHost(ns namespace) {
	n.t.Helper()
	etc := filepath.Join("/etc/netns", string(ns))
	mustRun(n.t, "ip", "netns", "add", string(ns))
	n.t.Cleanup(func() {
		// The test's context, by which run goes, has ended.
		if out, err := exec.Command("ip", "netns", "del", string(ns)).CombinedOutput(); err != nil {
			n.t.Errorf("removing %s: %v\n%s", ns, err, out)
		}
		if err := os.RemoveAll(etc); err != nil {
			n.t.Error(err)
		}
	})
	ns.ip(n.t, "link set lo up")
	var hosts strings.Builder
	for address, names := range n.names {
		fmt.Fprintln(&hosts, address, strings.Join(names, " "))
	}
	if err := os.MkdirAll(etc, 0o755); err != nil {
		n.t.Fatal(err)
	}
	// Nobody answers on the name server's port, which is an answer at once.
	for name, text := range map[string]string{"hosts": "127.0.0.1 localhost\n" + hosts.String(), "resolv.conf": "nameserver 127.0.0.1\n"} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil { // read by every program
			n.t.Fatal(err)
		}
	}
	for _, setting := range []string{"net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0",
		"net.ipv4.conf.default.rp_filter=0"} {
		ns.mustRun(n.t, "sysctl", "-qw", setting)
	}
}

// connect makes a link from a host to the gateway.
func (n *network) connect(ns namespace, net string) {
	n.t.Helper()
	down := "to" + net
	n.gateway.ip(n.t, "link add "+down+" type veth peer name eth0 netns "+string(ns))
	for _, side := range []struct {
		of       namespace
		dev, end string
	}{{n.gateway, down, "1"}, {ns, "eth0", "2"}} {
		side.of.ip(n.t, "addr add 10."+net+".0."+side.end+"/24 dev "+side.dev)
		side.of.ip(n.t, "-6 addr add fd"+net+"::"+side.end+"/64 dev "+side.dev+" nodad")
		side.of.ip(n.t, "link set "+side.dev+" up")
	}
	ns.ip(n.t, "route add default via 10."+net+".0.1")
	ns.ip(n.t, "-6 route add default via fd"+net+"::1")
}

// ip runs ip in the namespace.
func (ns namespace) ip(t *testing.T, args string) {
	t.Helper()
	mustRun(t, "ip", append([]string{"-n", string(ns)}, strings.Fields(args)...)...)
}

func (ns namespace) mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := ns.run(t, "", name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

func mustRun(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := run(t, "", name, args...); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// nft loads rules.
func (ns namespace) nft(t *testing.T, rules string) {
	t.Helper()
	if out, err := ns.run(t, rules, "nft", "-f", "-"); err != nil {
		t.Fatalf("nft: %v\n%s\n%s", err, out, rules)
	}
}

// sh runs a shell script.
func (ns namespace) sh(t *testing.T, script string) {
	t.Helper()
	if out, err := ns.run(t, script, "sh", "-eu"); err != nil {
		t.Fatalf("sh: %v\n%s\n%s", err, out, script)
	}
}

// runServer runs a server in the namespace.
func (ns namespace) runServer(t *testing.T, address, name string, args ...string) {
	t.Helper()
	s := testenv.Program{Address: address, Dial: ns.DialContext}
	s.Run(t, "ip", append([]string{"netns", "exec", string(ns), name}, args...)...)
}

// enter does something whose sockets are to be in the namespace.
func (ns namespace) enter(do func() error) error {
	ended := make(chan error)
	go func() {
		// The thread is never unlocked, so that it ends with the goroutine.
		runtime.LockOSThread()
		f, err := os.Open(filepath.Join("/run/netns", string(ns)))
		if err == nil {
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
			_ = f.Close()
		}
		if err == nil {
			err = do()
		}
		ended <- err
	}()
	return <-ended
}

// DialContext dials from the namespace.
func (ns namespace) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = ns.enter(func() error {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// client is one that asks from the namespace.
func (ns namespace) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: ns.DialContext, DisableKeepAlives: true}}
}

// serve makes a server of this machine's own network appear at an address in
// the namespace.
func (ns namespace) serve(t *testing.T, address, server string) {
	t.Helper()
	var ln net.Listener
	if err := ns.enter(func() (err error) {
		ln, err = net.Listen("tcp", address)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { splice(conn, server) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); conns.Wait() })
}

// splice relays to a server until both sides have ended.
func splice(conn net.Conn, server string) {
	defer conn.Close()
	up, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer up.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(conn, up)
		_ = conn.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(up, conn)
	_ = up.(*net.TCPConn).CloseWrite()
	back.Wait()
}
