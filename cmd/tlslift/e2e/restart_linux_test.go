package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A load is clients that connect one after the other, until it is stopped.
type load struct {
	t         *testing.T
	l         *tlslift
	lifted    *tls.Config // of a client with TLS 1.0
	passed    *tls.Config // of one that could do without tlslift
	resumed   atomic.Int64
	connected atomic.Int64 // connections that were opened

	stop context.CancelFunc
	all  sync.WaitGroup

	mu     sync.Mutex
	done   int
	errors []string
}

// startLoad starts clients of l, whose upstream trusts roots.
func startLoad(t *testing.T, l *tlslift, roots *x509.CertPool) *load {
	t.Helper()
	own := x509.NewCertPool()
	text, err := os.ReadFile(l.caFile)
	if err != nil || !own.AppendCertsFromPEM(text) {
		t.Fatalf("no CA: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	o := &load{
		t: t, l: l, stop: stop,
		lifted: &tls.Config{
			ServerName: host, RootCAs: own, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
			ClientSessionCache: tls.NewLRUClientSessionCache(4),
		},
		passed: &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	for i := range 4 {
		o.all.Go(func() { o.run(ctx, func() error { return o.once(i%2 == 0) }) })
	}
	o.all.Go(func() { o.run(ctx, o.scrape) })
	t.Cleanup(o.end)
	return o
}

// end stops the clients.
func (o *load) end() {
	o.stop()
	o.all.Wait()
}

// scrape asks the admin address, in a connection of its own.
func (o *load) scrape() error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: testenv.Patience}
	response, err := client.Get("http://" + o.l.admin + "/healthz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// run does something again and again.
func (o *load) run(ctx context.Context, once func() error) {
	for ctx.Err() == nil {
		err := once()
		o.mu.Lock()
		o.done++
		if err != nil {
			o.errors = append(o.errors, err.Error())
		}
		o.mu.Unlock()
	}
}

// open opens a connection to the listener with a fixed destination.
func (o *load) open(legacy bool) (*tls.Conn, error) {
	conn, err := net.Dial("tcp", o.l.tls)
	if err != nil {
		return nil, err
	}
	o.connected.Add(1)
	config := o.passed
	if legacy {
		config = o.lifted
	}
	secure := tls.Client(conn, config)
	if err := secure.SetDeadline(time.Now().Add(testenv.Patience)); err != nil {
		return nil, err
	}
	if err := secure.Handshake(); err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if secure.ConnectionState().DidResume && legacy {
		o.resumed.Add(1)
	}
	return secure, nil
}

func (o *load) once(legacy bool) error {
	conn, err := o.open(legacy)
	if err != nil {
		return err
	}
	defer conn.Close()
	return askOnce(conn)
}

// askOnce sends a request and reads the answer.
func askOnce(conn net.Conn) error {
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// more waits until so many more connections have ended.
func (o *load) more(n int) {
	o.t.Helper()
	goal := o.count() + n
	for deadline := time.Now().Add(testenv.Patience); o.count() < goal; {
		if time.Now().After(deadline) {
			o.t.Fatalf("the clients do not go on:\n%s", o.l.log())
		}
		time.Sleep(time.Millisecond) // the connections of the load run by themselves
	}
}

func (o *load) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done
}

// wantNoErrors says what has gone wrong.
func (o *load) wantNoErrors() {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.errors) > 0 {
		o.t.Errorf("%d of %d connections failed, as in %s\n%s", len(o.errors), o.done, o.errors[0], o.l.log())
	}
}

// awaitLine waits for a line of the log with a text. It looks again and again, since another
// process writes it.
func (l *tlslift) awaitLine(text string) map[string]any {
	l.t.Helper()
	for deadline := time.Now().Add(testenv.Patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		for line := range strings.Lines(l.log()) {
			var fields map[string]any
			if strings.Contains(line, text) && json.Unmarshal([]byte(line), &fields) == nil {
				return fields
			}
		}
	}
	l.t.Fatalf("no line with %q:\n%s", text, l.log())
	return nil
}

// countedOnce checks that the inventory has each of so many connections, and the log a line
// for each. It asks again and again, since a connection is counted after its client has left.
func (l *tlslift) countedOnce(want int64) {
	l.t.Helper()
	var known, lines int64
	for deadline := time.Now().Add(testenv.Patience); ; time.Sleep(5 * time.Millisecond) {
		response, err := l.http.Get("http://" + l.admin + "/api/v1/clients")
		if err != nil {
			l.t.Fatal(err)
		}
		var answer struct{ Clients []savedClient }
		err = json.NewDecoder(response.Body).Decode(&answer)
		_ = response.Body.Close()
		if err != nil {
			l.t.Fatal(err)
		}
		known = 0
		for _, c := range answer.Clients {
			for _, n := range c.Outcomes {
				known += int64(n)
			}
		}
		l.mu.Lock()
		lines = int64(len(l.records))
		l.mu.Unlock()
		if known == want && lines == want || time.Now().After(deadline) {
			break
		}
	}
	if known != want || lines != want {
		l.t.Errorf("%d connections: the inventory has %d, the log %d", want, known, lines)
	}
}

// A hand-over to another process refuses and resets no connection, an open one goes on, and
// each is counted once. SIGHUP does not disturb anybody either.
func TestHandOver(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server, err := fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := prepare(t, nil, server.Addr(), fake.RootPEM())
	l.runUntilEnd()
	o := startLoad(t, l, fake.Roots())
	idle, err := o.open(true)
	if err != nil {
		t.Fatal(err)
	}
	o.more(50)
	for range 3 {
		l.signal(l.cmd.Process, syscall.SIGHUP)
		o.more(50)
	}
	l.signal(l.cmd.Process, syscall.SIGUSR2)
	next := l.successor()
	o.more(200)
	if err := askOnce(idle); err != nil {
		t.Errorf("the idle session does not survive: %v", err)
	}
	before := l.metric(t, `tlslift_connections_total{`, `outcome="lifted"`)
	_ = idle.Close()
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("the first process ended with %v", err)
	}
	o.end()
	o.wantNoErrors()
	l.countedOnce(o.connected.Load())
	if after := l.metric(t, `tlslift_connections_total{`, `outcome="lifted"`); len(before) == 0 || len(after) == 0 {
		t.Error("the successor counts nothing in its metrics")
	}
	if o.resumed.Load() < 50 {
		t.Errorf("%d sessions were resumed", o.resumed.Load())
	}
	t.Logf("%d connections over 3 reloads and a hand-over: %d failed, %d resumed", o.count(), len(o.errors), o.resumed.Load())
	l.signal(next, syscall.SIGTERM)
	<-l.readToEnd
}

// handedOver is the message of a hand-over.
const handedOver = `"msg":"handed over to the next process`

// successor waits for the hand-over, and returns the process that has taken over.
func (l *tlslift) successor() *os.Process {
	l.t.Helper()
	pid, _ := l.awaitLine(handedOver)["pid"].(float64)
	if pid <= 1 { // for kill(2) those are not single processes
		l.t.Fatalf("the successor has the number %v", pid)
	}
	next, err := os.FindProcess(int(pid))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = next.Kill() }) // it has ended, unless the test has failed
	return next
}

func (l *tlslift) signal(process *os.Process, s syscall.Signal) {
	l.t.Helper()
	if err := process.Signal(s); err != nil {
		l.t.Fatal(err)
	}
}

// runUntilEnd is run for a test that ends the program, and its successors, itself.
func (l *tlslift) runUntilEnd() {
	l.t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		l.t.Fatal(err)
	}
	l.cmd.Stderr = writer // a file of its own: a successor has it too
	err = l.cmd.Start()
	_ = writer.Close()
	if err != nil {
		l.t.Fatal(err)
	}
	go l.read(reader)
	l.t.Cleanup(func() {
		_ = l.cmd.Process.Kill() // it has ended long before, unless the test has failed
		<-l.readToEnd
		_ = reader.Close()
	})
	l.awaitReady()
}

// The program that is at the path by then is what takes over. Another hand-over while the
// first process has a session left is no problem: the session is counted once, in the end.
func TestHandOverTwice(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server, err := fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := prepare(t, nil, server.Addr(), fake.RootPEM())
	path := filepath.Join(t.TempDir(), "tlslift")
	replace := func() os.FileInfo {
		t.Helper()
		text, err := os.ReadFile(l.cmd.Path)
		if err == nil {
			err = os.WriteFile(path+".new", text, 0o755)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		info, failed := os.Stat(path)
		if err = errors.Join(err, failed); err != nil {
			t.Fatal(err)
		}
		return info
	}
	replace()
	l.cmd.Path, l.cmd.Args[0] = path, path
	l.runUntilEnd()
	o := startLoad(t, l, fake.Roots())
	session, err := o.open(true)
	if err != nil {
		t.Fatal(err)
	}
	o.more(10)
	now := l.cmd.Process
	for range 2 {
		replaced := replace()
		l.signal(now, syscall.SIGUSR2)
		now = l.successor()
		if running, err := os.Stat(fmt.Sprintf("/proc/%d/exe", now.Pid)); err == nil && !os.SameFile(running, replaced) {
			t.Error("the program of before has taken over")
		}
		l.forget(handedOver)
		o.more(10)
	}
	if err := askOnce(session); err != nil {
		t.Errorf("the session does not survive: %v", err)
	}
	_ = session.Close()
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("the first process ended with %v", err)
	}
	o.end()
	o.wantNoErrors()
	l.countedOnce(o.connected.Load())
	l.signal(now, syscall.SIGTERM)
	<-l.readToEnd
}

// forget removes a text from the log that was read.
func (l *tlslift) forget(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := strings.ReplaceAll(l.stderr.String(), text, "")
	l.stderr.Reset()
	l.stderr.WriteString(rest)
}

// A successor that fails changes nothing: the first process goes on, and says why.
func TestHandOverFails(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server, err := fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := prepare(t, nil, server.Addr(), fake.RootPEM())
	file := testenv.WriteFile(t, "clients.yaml", []byte("clients: [{name: one, address: 192.0.2.1}]\n"))
	l.cmd.Env = append(l.cmd.Env, "TLSLIFT_CLIENTS_FILE="+file)
	l.runUntilEnd()
	o := startLoad(t, l, fake.Roots())
	o.more(20)
	if err := os.WriteFile(file, []byte("clients: [{nme: one}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.signal(l.cmd.Process, syscall.SIGUSR2)
	failed := l.awaitLine("the next process has failed; this one goes on")
	if text, _ := failed["error"].(string); !strings.Contains(text, "exit status 64") {
		t.Errorf("got %v", failed)
	}
	if !strings.Contains(l.log(), "tlslift: TLSLIFT_CLIENTS_FILE: "+file) {
		t.Errorf("no line says what is wrong:\n%s", l.log())
	}
	o.more(50)
	o.end()
	o.wantNoErrors()
	l.countedOnce(o.connected.Load())
	l.signal(l.cmd.Process, syscall.SIGTERM)
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// socketActivated returns a command that starts l with sockets for its addresses but the
// last, as systemd does when the first client connects.
func socketActivated(t *testing.T, l *tlslift) *exec.Cmd {
	t.Helper()
	testenv.Need(t, "systemd-socket-activate")
	args := []string{"--listen=" + l.tls, "--listen=" + l.admin, "--listen=" + l.proxy}
	for _, variable := range l.cmd.Env {
		args = append(args, "--setenv="+variable)
	}
	return exec.Command("systemd-socket-activate", append(args, l.cmd.Args...)...)
}

// With the sockets of systemd, a client that comes before tlslift waits, and is served.
// tlslift opens the listener that has no socket.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server, err := fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := prepare(t, nil, server.Addr(), fake.RootPEM())
	l.cmd = socketActivated(t, l)
	l.runUntilEnd()
	o := startLoad(t, l, fake.Roots())
	o.more(20)
	o.end()
	o.wantNoErrors()
	conn, err := net.Dial("tcp", l.sni)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	l.signal(l.cmd.Process, syscall.SIGTERM)
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("ended with %v\n%s", err, l.log())
	}
}

// A parent that holds the sockets, as systemd does, lets tlslift be stopped and started
// without a refused connection.
func TestRestartWithInheritedSockets(t *testing.T) {
	t.Parallel()
	fake := testenv.FakeM365(t)
	server, err := fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := prepare(t, nil, server.Addr(), fake.RootPEM())
	var held []*os.File
	for _, address := range []string{l.proxy, l.admin, l.tls, l.sni} {
		held = append(held, hold(t, address))
	}
	command, environ := l.cmd.Args, l.cmd.Env
	startAgain := func() {
		t.Helper()
		// The shell gives the process the number that it asks for.
		l.cmd = exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, command...)...)
		l.cmd.Env = append(environ, "LISTEN_FDS="+strconv.Itoa(len(held)))
		l.cmd.ExtraFiles = held
		l.readToEnd = make(chan struct{})
		l.runUntilEnd()
	}
	startAgain()
	o := startLoad(t, l, fake.Roots())
	for range 3 {
		o.more(50)
		l.signal(l.cmd.Process, syscall.SIGTERM)
		if err := l.cmd.Wait(); err != nil {
			t.Errorf("ended with %v\n%s", err, l.log())
		}
		<-l.readToEnd
		startAgain()
	}
	o.more(50)
	o.end()
	o.wantNoErrors()
	t.Logf("%d connections over 3 restarts: %d failed", o.count(), len(o.errors))
	l.countedOnce(o.connected.Load())
	l.signal(l.cmd.Process, syscall.SIGTERM)
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("ended with %v\n%s", err, l.log())
	}
}

// hold opens a listening socket.
func hold(t *testing.T, address string) *os.File {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // the file has a descriptor of its own
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// A socket that no setting names would let its clients wait for ever, and one that is no
// TCP listener would have none.
func TestUselessInheritedSockets(t *testing.T) {
	t.Parallel()
	l := prepare(t, nil, "127.0.0.1:1", testenv.NewAuthority(t, "root", testenv.OwnRSAKey(t)).PEM())
	address := testenv.FreeAddress(t)
	other := hold(t, address)
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "socket"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	local, err := unix.File()
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	client, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	connected, err := client.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	const noListener = "tlslift: LISTEN_FDS: descriptor 3: it is no TCP socket that listens; "
	for want, file := range map[string]*os.File{
		"tlslift: LISTEN_FDS: the socket " + address + " is in none of TLSLIFT_LISTEN, ": other,
		noListener + "write ListenStream":                                                local,
		noListener:                                                                       connected,
	} {
		cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, l.cmd.Args...)...)
		cmd.Env = append(l.cmd.Env, "LISTEN_FDS=1")
		cmd.ExtraFiles = []*os.File{file}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 64 || !strings.Contains(string(out), want) {
			t.Errorf("got %v, want %q\n%s", err, want, out)
		}
	}
}
