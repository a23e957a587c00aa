package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// A Storm is many connections from a process of its own, so that they do not delay the
// session that is measured within ours.
type Storm struct {
	Target Target
	Count  int
	AtOnce int
}

// RunStorm makes the connections of the Storm that in has as JSON. It writes a line when it
// is ready to begin.
func RunStorm(ctx context.Context, in io.Reader, out io.Writer) error {
	var s Storm
	if err := json.NewDecoder(io.LimitReader(in, 1<<16)).Decode(&s); err != nil {
		return fmt.Errorf("reading what to do: %w", err)
	}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return fmt.Errorf("saying that all is ready: %w", err)
	}
	_, err := s.Target.Connections(ctx, s.Count, s.AtOnce)
	return err
}

// echoEvery is the pace of the echoes. One that is late delays those after it, and each is
// counted from the moment at which it was due: a stall counts for as long as it lasts, and
// not as one slow echo.
const echoEvery = 10 * time.Millisecond

// EchoDuring sends echoes on one session while the storm of a child process lasts, and
// returns in how many seconds from when it was due each was back. Role is the argument with
// which this program calls RunStorm.
func (s Storm) EchoDuring(ctx context.Context, role string) ([]float64, error) {
	session, err := s.Target.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if err := session.Echo("before"); err != nil {
		return nil, err
	}
	ended, err := s.start(ctx, role)
	if err != nil {
		return nil, err
	}
	var took []float64
	for due := time.Now(); ; due = due.Add(echoEvery) {
		wait := time.NewTimer(time.Until(due))
		select {
		case err := <-ended:
			wait.Stop()
			if err == nil && len(took) == 0 {
				err = errors.New("the other clients had ended before one echo was back")
			}
			return took, err
		case <-wait.C:
		}
		if err := session.Echo(strconv.Itoa(len(took))); err != nil {
			return nil, errors.Join(err, <-ended)
		}
		took = append(took, time.Since(due).Seconds())
	}
}

// start runs the child until it is ready; the channel has its result when it has ended.
func (s Storm) start(ctx context.Context, role string) (<-chan error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("looking for this program: %w", err)
	}
	task, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, self, role) //nolint:gosec // it is this program
	cmd.Stdin, cmd.Stderr = bytes.NewReader(task), &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the other clients: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the other clients: %w", err)
	}
	_, readyErr := out.Read(make([]byte, 64))
	ended := make(chan error, 1)
	wait := func() {
		err := cmd.Wait()
		if err != nil {
			err = fmt.Errorf("the other clients: %w: %s", err, bytes.TrimSpace(errs.Bytes()))
		}
		ended <- err
	}
	go wait()
	if readyErr != nil {
		return nil, errors.Join(readyErr, <-ended)
	}
	return ended, nil
}
