package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A loggingChild is a child whose log the test reads, or not.
type loggingChild struct {
	*child
	reader *os.File // of what the child writes to standard error
	writer *os.File
	fake   *fakem365.Service
}

// startLogging starts a child that can reach a destination, and reads its log up to the
// end of the start.
func startLogging(t *testing.T, reader, writer *os.File, environ ...string) *loggingChild {
	t.Helper()
	fake := testenv.FakeM365(t)
	server, err := fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := newChild(t, append([]string{
		"TLSLIFT_CONNECT_TO=outlook.office365.com:443=" + server.Addr(),
		"TLSLIFT_UPSTREAM_CA_FILE=" + writeFile(t, string(fake.RootPEM())),
		"TLSLIFT_DRAIN_TIMEOUT=10m", "TLSLIFT_LOG_LEVEL=debug", // no line is merged
	}, environ...)...)
	c.cmd.Stderr = writer
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		_, _ = reader.Close(), writer.Close()
	})
	go func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			c.lines <- scanner.Text()
			if strings.Contains(scanner.Text(), `"msg":"started"`) {
				return
			}
		}
	}()
	c.started()
	c.record("started")
	return &loggingChild{child: c, reader: reader, writer: writer, fake: fake}
}

func newPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return reader, writer
}

// stall fills the pipe, so that the next line waits for a reader.
func (c *loggingChild) stall() {
	c.t.Helper()
	fd := int(c.writer.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		c.t.Fatal(err)
	}
	var err error
	for err == nil {
		_, err = syscall.Write(fd, make([]byte, 4096))
	}
	if !errors.Is(err, syscall.EAGAIN) {
		c.t.Fatal(err)
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		c.t.Fatal(err)
	}
}

// load makes connections that are refused, and others that are passed; all have to
// complete.
func (c *loggingChild) load(connections int) {
	c.t.Helper()
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range connections / 8 {
				if err := c.connect(); err != nil {
					c.t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}

func (c *loggingChild) connect() error {
	refused, err := net.Dial("tcp", c.listens)
	if err != nil {
		return err
	}
	defer refused.Close()
	if err := refused.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(refused, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(refused)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 403 ") {
		return fmt.Errorf("got %q, %w", answer, err)
	}
	client := fakem365.Client{Proxy: c.listens, Roots: c.fake.Roots()}
	passed, err := client.Dial(c.t.Context(), "outlook.office365.com:443")
	if err != nil {
		return err
	}
	ask(c.t, passed)
	return passed.Close()
}

// metric returns the value of a metric without labels; -1 if there is none.
func (c *loggingChild) metric(name string) int {
	c.t.Helper()
	_, body := c.get("/metrics")
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(body)
	if m == nil {
		return -1
	}
	value, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		c.t.Fatal(err)
	}
	return int(value)
}

// wantFiles waits until no more files are open than before.
func (c *loggingChild) wantFiles(before int) {
	c.t.Helper()
	for deadline := time.Now().Add(patience / 2); ; {
		switch now := c.metric("process_open_fds"); {
		case now <= before:
			return
		case time.Now().After(deadline):
			c.t.Fatalf("%d files are open, want %d", now, before)
		}
	}
}

// wantDropped waits until so many lines were dropped: a connection ends before it is
// logged.
func (c *loggingChild) wantDropped(want int) {
	c.t.Helper()
	for deadline := time.Now().Add(patience / 2); ; {
		switch got := c.metric("tlslift_log_lines_dropped_total"); {
		case got == want:
			return
		case got > want || time.Now().After(deadline):
			c.t.Fatalf("%d lines were dropped, want %d", got, want)
		}
	}
}

func (c *loggingChild) wantExit(code int) {
	c.t.Helper()
	if got, _ := c.wait(); got != code {
		c.t.Errorf("exit code %d, want %d: %v", got, code, c.cmd.ProcessState)
	}
}

func (c *loggingChild) wantReady() {
	c.t.Helper()
	if code, body := c.get("/readyz"); code != http.StatusOK {
		c.t.Errorf("/readyz: %d %s", code, body)
	}
}

// TestLogReaderGone: the end of who reads the log, such as journald, ends no session.
func TestLogReaderGone(t *testing.T) {
	t.Parallel()
	reader, writer := newPipe(t)
	c := startLogging(t, reader, writer)
	_ = writer.Close()
	_ = reader.Close()
	before := c.metric("process_open_fds")
	c.load(80)
	c.wantFiles(before)
	c.wantReady()
	c.wantDropped(160)
	c.signal(syscall.SIGTERM)
	c.wantExit(exitOK)
}

// TestLogReaderStalled: a log that is full keeps no connection and no socket, and the
// program ends when it is told to.
func TestLogReaderStalled(t *testing.T) {
	t.Parallel()
	reader, writer := newPipe(t)
	c := startLogging(t, reader, writer)
	before := c.metric("process_open_fds")
	c.stall()
	c.load(80)
	c.wantFiles(before)
	c.wantReady()
	c.signal(syscall.SIGTERM)
	c.wantExit(exitOK)
}

// TestLogReaderStalledSecondSignal: nor does a session that goes on keep it then.
func TestLogReaderStalledSecondSignal(t *testing.T) {
	t.Parallel()
	reader, writer := newPipe(t)
	c := startLogging(t, reader, writer)
	c.stall()
	client := fakem365.Client{Proxy: c.listens, Roots: c.fake.Roots()}
	session, err := client.Dial(t.Context(), "outlook.office365.com:443")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	c.signal(syscall.SIGTERM)
	for code := http.StatusOK; code == http.StatusOK; {
		code, _ = c.get("/readyz")
	}
	ask(t, session)
	c.signal(syscall.SIGTERM)
	c.wantExit(exitCut)
}

// TestLogReaderStalledAtStart: the start message waits for nobody either, and a failure
// of the start still has its exit code.
func TestLogReaderStalledAtStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	reader, writer := newPipe(t)
	c := &loggingChild{
		child:  newChild(t, "TLSLIFT_LISTEN=proxy://"+taken.Addr().String(), "TLSLIFT_LOG_FORMAT=text"),
		reader: reader, writer: writer,
	}
	close(c.lines)
	c.stall()
	c.cmd.Stderr = writer
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.wantExit(exitFailure)
	_, _ = reader.Close(), writer.Close()
}

// TestLogReaderComesBack: who reads the log again learns how many lines are missing.
func TestLogReaderComesBack(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(flags int) *os.File {
		f, err := os.OpenFile(fifo, flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	reader := open(os.O_RDONLY | syscall.O_NONBLOCK)
	writer := open(os.O_WRONLY)
	c := startLogging(t, reader, writer)
	_ = reader.Close()
	c.load(8)
	c.wantDropped(16)
	reader = open(os.O_RDONLY | syscall.O_NONBLOCK)
	defer reader.Close()
	if err := reader.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := c.connect(); err != nil {
		t.Fatal(err)
	}
	for scanner := bufio.NewScanner(reader); scanner.Scan(); {
		if line := scanner.Text(); strings.Contains(line, "dropped") {
			if !strings.Contains(line, `"level":"WARN"`) || !strings.HasSuffix(line, `"lines":16}`) {
				t.Errorf("got %s", line)
			}
			c.signal(syscall.SIGTERM)
			c.wantExit(exitOK)
			return
		}
	}
	t.Error("no line says that lines were dropped")
}

// TestHeadEndsQuietly: other commands end as usual when nobody reads what they print.
func TestHeadEndsQuietly(t *testing.T) {
	t.Parallel()
	c := newChild(t)
	c.cmd.Args = []string{c.cmd.Args[0], "config"}
	reader, writer := newPipe(t)
	_ = reader.Close()
	c.cmd.Stdout = writer
	var stderr strings.Builder
	c.cmd.Stderr = &stderr
	_ = c.cmd.Run()
	_ = writer.Close()
	if status := c.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGPIPE || stderr.String() != "" {
		t.Errorf("%v: %s", c.cmd.ProcessState, &stderr)
	}
}

// TestStrangerFillsNoLog: one client that fails all the time is one line, and then
// another one that says how often. All of it is counted.
func TestStrangerFillsNoLog(t *testing.T) {
	t.Parallel()
	c := newChild(t)
	c.start()
	c.started()
	c.record("started")
	const times = 300
	for range times {
		conn, err := net.Dial("tcp", c.listens)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	counted := fmt.Sprintf("outcome=\"refused\"} %d\n", times)
	for deadline := time.Now().Add(patience / 2); ; {
		if _, body := c.get("/metrics"); strings.Contains(body, counted) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not counted: %s", counted)
		}
	}
	c.signal(syscall.SIGTERM)
	var lines []map[string]any
	for text := range c.lines {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line["reason"] != nil {
			lines = append(lines, line)
		}
	}
	if code, _ := c.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	told := 0.0
	for i, line := range lines {
		switch {
		case line["client"] != "127.0.0.1" || line["reason"] != "destination_not_allowed" || line["remedy"] == nil:
			t.Errorf("got %v", line)
		case i == 0 && line["msg"] == "connection" && line["times"] == nil:
			told++
		case i > 0 && line["msg"] == "connection repeated":
			told += line["times"].(float64)
		default:
			t.Errorf("line %d is %v", i, line)
		}
	}
	if told != times || len(lines) > times/10 {
		t.Errorf("%d lines tell of %v connections, want %d", len(lines), told, times)
	}
}
