package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what should happen without delay.
const patience = 30 * time.Second

// A child is tlslift in a process of its own.
type child struct {
	t       *testing.T
	cmd     *exec.Cmd
	lines   chan string // of standard error; closed at its end
	read    []string
	listens string // the address of its first listener
	admin   string // the URL of its admin address
}

// newChild prepares a child with a home directory of its own, and with any
// free ports.
func newChild(t *testing.T, environ ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c := &child{t: t, cmd: exec.CommandContext(ctx, os.Args[0], "serve"), lines: make(chan string, 100)}
	home := t.TempDir()
	c.cmd.Env = append([]string{
		asProgram + "=1", "HOME=" + home, "LOCALAPPDATA=" + home, "SystemRoot=" + os.Getenv("SystemRoot"),
		"TLSLIFT_LISTEN=proxy://127.0.0.1:0", "TLSLIFT_ADMIN_LISTEN=127.0.0.1:0",
	}, environ...)
	return c
}

func (c *child) start() {
	c.t.Helper()
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			c.lines <- scanner.Text()
		}
	}()
	c.t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // most have ended long before
		for range c.lines {
		}
		_ = c.cmd.Wait()
	})
}

// await reads lines until one contains text.
func (c *child) await(text string) string {
	c.t.Helper()
	for line := range c.lines {
		c.read = append(c.read, line)
		if strings.Contains(line, text) {
			return line
		}
	}
	c.t.Fatalf("no line with %q in:\n%s", text, strings.Join(c.read, "\n"))
	return ""
}

// record reads log records up to the one with a message.
func (c *child) record(message string) map[string]any {
	c.t.Helper()
	var record map[string]any
	if err := json.Unmarshal([]byte(c.await(`"msg":"`+message)), &record); err != nil {
		c.t.Fatal(err)
	}
	return record
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// wait returns the exit code and what was left to read.
func (c *child) wait() (int, string) {
	var rest []string
	for line := range c.lines {
		rest = append(rest, line)
	}
	err := c.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return c.cmd.ProcessState.ExitCode(), strings.Join(rest, "\n")
}

// started reads the start message.
func (c *child) started() {
	c.t.Helper()
	c.listens = strings.TrimPrefix(c.record("listening")["listener"].(string), "proxy://")
	c.admin = c.record("admin")["url"].(string)
}

// get returns what the admin address answers.
func (c *child) get(path string) (int, string) {
	c.t.Helper()
	response, err := http.Get(c.admin + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
