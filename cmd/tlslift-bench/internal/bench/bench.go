// Package bench compares tlslift with its peers: the same bounded work for each, in turn,
// and only what each has done in full is a number. It runs on loopback alone, and ends
// what it has started.
package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/backend"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/identity"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/load"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/machine"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/subject"
)

// BackendRole is the argument with which the program is the backend; the directory of the
// identities follows.
const BackendRole = "backend"

// sampleTimeout bounds one work of one subject in one round.
const sampleTimeout = 5 * time.Minute

// A Plan is what is compared.
type Plan struct {
	Works    []string // names of works; empty for all
	Subjects []subject.Subject
	Rounds   int
	Quick    bool
	Command  string // for the reader: how to do it again
	// Progress is told what happens now; it may be nil.
	Progress func(line string)
}

// Names returns the names of all works, with what each measures.
func Names() (names, about []string) {
	for _, w := range works {
		names, about = append(names, w.name), append(about, w.about)
	}
	return names, about
}

// A comparison is one that runs.
type comparison struct {
	Plan
	dir     string
	backend backend.Addresses
	result  *Result
}

// Run compares. Its error is one of the comparison itself; what a peer refuses is in the
// result. If it ends early, the result has the works that are complete.
func (p Plan) Run(ctx context.Context) (*Result, error) {
	dir, err := os.MkdirTemp("", "tlslift-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := identity.Write(dir); err != nil {
		return nil, err
	}
	if p.Progress == nil {
		p.Progress = func(string) {}
	}
	c := &comparison{Plan: p, dir: dir, result: &Result{
		Command: p.Command, Machine: machine.Read(), Rounds: p.Rounds, Quick: p.Quick, Subjects: p.Subjects,
	}}
	stop, err := c.startBackend(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	for _, w := range works {
		if len(p.Works) > 0 && !slices.Contains(p.Works, w.name) {
			continue
		}
		if err = c.compare(ctx, w); err != nil {
			break
		}
	}
	c.result.Machine.LoadAfter = machine.Load()
	return c.result, err
}

// startBackend starts the backend in a process of its own, which ends with its input.
func (c *comparison) startBackend(ctx context.Context) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("looking for this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, BackendRole, c.dir) //nolint:gosec // it is this program
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = io.Discard // of net/http: each probe without TLS
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the backend: %w", err)
	}
	stop = func() {
		_ = in.Close()
		late := time.AfterFunc(sampleTimeout, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(io.LimitReader(out, 4096)).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c.backend)
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("reading the backend's addresses: %w", err)
	}
	return stop, nil
}

// compare lets each subject do the work, in turn, once in each round. What a subject has
// refused it is not asked for again.
func (c *comparison) compare(ctx context.Context, w work) error {
	figures := make([]Figure, len(w.figures))
	n := w.count
	if c.Quick {
		n = w.quick
	}
	for i, f := range w.figures {
		figures[i] = Figure{
			Work: w.name, Key: f.key, Title: f.title, Unit: f.unit, About: w.about, Count: n, Digits: f.digits, Cells: map[string]Cell{},
		}
	}
	set := func(id string, change func(i int, cell *Cell)) {
		for i := range figures {
			cell := figures[i].Cells[id]
			change(i, &cell)
			figures[i].Cells[id] = cell
		}
	}
	out := map[string]bool{}
	for _, s := range c.Subjects {
		if why := s.Cannot(w.mode); why != "" {
			out[s.ID] = true
			set(s.ID, func(_ int, cell *Cell) { *cell = Cell{Status: None, Why: why} })
		}
	}
	for round := range c.Rounds {
		for _, s := range c.Subjects {
			if out[s.ID] {
				continue
			}
			c.Progress(fmt.Sprintf("%s, round %d of %d: %s", w.name, round+1, c.Rounds, s.ID))
			o, err := c.sample(ctx, w, s, n)
			if ctx.Err() != nil {
				return fmt.Errorf("the comparison was ended early: %w", context.Cause(ctx))
			}
			if err != nil {
				out[s.ID] = true
				c.Progress(fmt.Sprintf("%s: %s refused it: %v", w.name, s.ID, err))
				var r refusal
				_ = errors.As(err, &r)
				set(s.ID, func(_ int, cell *Cell) { *cell = Cell{Status: Refused, Why: err.Error(), Log: r.log} })
				continue
			}
			set(s.ID, func(i int, cell *Cell) {
				cell.Status, cell.Samples = Measured, append(cell.Samples, w.figures[i].value(o))
			})
		}
	}
	for i := range figures {
		figures[i].summarize(c.Subjects, c.Quick)
	}
	c.result.Figures = append(c.result.Figures, figures...)
	return nil
}

// sample starts the subject afresh, lets it do a little, and measures the work.
func (c *comparison) sample(ctx context.Context, w work, s subject.Subject, n int) (outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sampleTimeout, errors.New("it took too long"))
	defer cancel()
	to := c.backend.RSA
	switch {
	case w.mode == subject.Mail:
		to = c.backend.SMTP
	case w.ecdsa:
		to = c.backend.ECDSA
	}
	running, err := s.Start(ctx, w.mode, to, c.dir)
	if err != nil {
		return outcome{}, err
	}
	defer running.Stop()
	t := load.Target{
		Address: running.Address, Connect: running.Connect, Roots: running.Roots, Version: tls.VersionTLS10, Suite: w.suite,
		Resumes: w.resumes,
	}
	if w.suite == 0 {
		t.Version = tls.VersionTLS12
	}
	o, err := outcome{}, c.checkRoots(t)
	if err == nil {
		_, err = w.run(ctx, t, min(n, w.warm), running.PID)
	}
	if err == nil {
		o, err = w.run(ctx, t, n, running.PID)
	}
	if err != nil {
		return outcome{}, refusal{err, running.LogTail()}
	}
	return o, nil
}

// checkRoots fails if the subject has not made the root that its clients are to trust.
func (c *comparison) checkRoots(t load.Target) error {
	for _, file := range t.Roots {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("the subject has no root %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

// A refusal is an error of a subject, with the end of its log.
type refusal struct {
	error
	log string
}

func (r refusal) Unwrap() error { return r.error }
