package subject

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/identity"
)

//go:embed configs
var configs embed.FS

// values are what a configuration is made with.
type values struct {
	Dir                               string // of this subject
	Listen, ListenHost, ListenPort    string // where clients connect
	Backend, BackendHost, BackendPort string // the destination's address
	Listener                          string // tlslift's listener URL
	Spare                             string // one more free address
	Host, MailHost                    string // names of the destination
	BackendRoot                       string // paths
	ProxyRoot, ProxyRootKey           string
	Leaf                              string
	User                              string // root, if this runs as root: peers could not read their files otherwise
	Module                            string // nginx
	Helper                            string // Squid
}

// A Running is a subject that runs in one mode.
type Running struct {
	Address string   // where clients connect
	Connect string   // what they say in CONNECT; empty without
	Roots   []string // files of the roots that clients trust
	PID     int

	cmd     *exec.Cmd
	ended   chan struct{}
	logFile string
}

// How long a subject may take to listen, and to end when it is asked to.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 5 * time.Second
)

// Start runs the subject in a mode, towards a backend. Dir has the identities, and is where
// the subject's files are put. Stop must be called on what it returns.
func (s Subject) Start(ctx context.Context, m Mode, backend, dir string) (*Running, error) {
	v, err := s.values(m, backend, dir)
	if err != nil {
		return nil, err
	}
	if s.kind.prepare != nil {
		if err := s.kind.prepare(ctx, v); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(v.Dir, s.kind.configs.of(m))
	if err := writeConfig(config, s.kind.configs.of(m), v); err != nil {
		return nil, err
	}
	r := &Running{Address: v.Listen, ended: make(chan struct{}), logFile: filepath.Join(v.Dir, "log")}
	switch {
	case m == Pass:
		r.Roots = []string{v.BackendRoot} // only the destination itself
	case s.kind.id == TLSLift:
		r.Roots = []string{filepath.Join(v.Dir, "state", "ca", "ca.pem")}
	default:
		r.Roots = []string{v.ProxyRoot}
	}
	if m == Connect {
		r.Connect = identity.Host + ":443"
		if s.kind.id != TLSLift {
			r.Connect = identity.Host + ":" + v.BackendPort
		}
	}
	args := make([]string, len(s.kind.args))
	for i, a := range s.kind.args {
		args[i] = strings.NewReplacer("CONFIG", config, "DIR", v.Dir, "PORT", v.ListenPort).Replace(a)
	}
	if err := r.run(ctx, s.path, args, v.Dir); err != nil {
		return nil, err
	}
	if err := r.awaitListening(ctx); err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

func (s Subject) values(m Mode, backend, dir string) (*values, error) {
	v := &values{
		Dir: filepath.Join(dir, s.ID), Backend: backend, Host: identity.Host, MailHost: identity.MailHost,
		BackendRoot: filepath.Join(dir, identity.BackendRoot), Leaf: filepath.Join(dir, identity.ProxyLeaf),
		ProxyRoot: filepath.Join(dir, identity.ProxyRoot), ProxyRootKey: filepath.Join(dir, identity.ProxyRootKey),
	}
	if m == LiftECDSA {
		v.Leaf = filepath.Join(dir, identity.ProxyECDSA)
	}
	if os.Geteuid() == 0 {
		v.User = "root"
	}
	err := os.MkdirAll(v.Dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("making the subject's directory: %w", err)
	}
	if v.Listen, v.Spare, err = freeAddresses(); err != nil {
		return nil, err
	}
	if v.ListenHost, v.ListenPort, err = net.SplitHostPort(v.Listen); err != nil {
		return nil, err
	}
	if v.BackendHost, v.BackendPort, err = net.SplitHostPort(backend); err != nil {
		return nil, err
	}
	switch m {
	case Mail:
		v.Listener = "smtp://" + v.Listen + "?to=" + identity.MailHost + ":587"
	case Connect:
		v.Listener = "proxy://" + v.Listen
	default:
		v.Listener = "tls://" + v.Listen + "?to=" + identity.Host + ":443"
	}
	return v, nil
}

// freeAddresses returns two addresses on which nobody listens now.
func freeAddresses() (first, second string, err error) {
	var lc net.ListenConfig
	a, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer a.Close()
	b, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer b.Close()
	return a.Addr().String(), b.Addr().String(), nil
}

func writeConfig(path, name string, v *values) error {
	t, err := template.ParseFS(configs, "configs/"+name)
	if err != nil {
		return fmt.Errorf("reading a configuration: %w", err)
	}
	var b bytes.Buffer
	if err := t.Option("missingkey=error").Execute(&b, v); err != nil {
		return fmt.Errorf("making a configuration: %w", err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing a configuration: %w", err)
	}
	return nil
}

// run starts the program in a process group of its own, so that Stop reaches its children.
func (r *Running) run(ctx context.Context, path string, args []string, dir string) error {
	log, err := os.Create(r.logFile)
	if err != nil {
		return fmt.Errorf("opening the subject's log: %w", err)
	}
	defer log.Close()
	r.cmd = exec.CommandContext(ctx, path, args...) //nolint:gosec // programs that the user compares
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = dir, log, log
	// Nothing of our environment: the configuration is all there is.
	r.cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir}
	ownGroup(r.cmd)
	r.cmd.Cancel = func() error { return killGroup(r.cmd.Process) }
	if err := r.cmd.Start(); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	r.PID = r.cmd.Process.Pid
	wait := func() {
		_ = r.cmd.Wait()
		close(r.ended)
	}
	go wait()
	return nil
}

func (r *Running) awaitListening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", r.Address)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-tick.C:
		case <-r.ended:
			return fmt.Errorf("it ended at once: %s", r.LogTail())
		case <-ctx.Done():
			return errors.Join(errors.New("it does not listen"), context.Cause(ctx))
		}
	}
}

// LogTail returns the last lines of the subject's log, for messages.
func (r *Running) LogTail() string {
	data, err := os.ReadFile(r.logFile)
	if err != nil {
		return ""
	}
	const most = 160
	text := string(data[max(0, len(data)-most):])
	return strings.Join(strings.Fields(text), " ")
}

// Stop ends the subject with all its children and returns when it has ended.
func (r *Running) Stop() {
	_ = askToEnd(r.cmd.Process)
	late := time.NewTimer(stopTimeout)
	defer late.Stop()
	select {
	case <-r.ended:
	case <-late.C:
	}
	_ = killGroup(r.cmd.Process) // what is left of it
	<-r.ended
}
