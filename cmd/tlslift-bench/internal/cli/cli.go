// Package cli is the command line of tlslift-bench: it reads what to compare, and writes
// what was found.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/bench"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/report"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/subject"
	"github.com/tlslift/tlslift/proxy/spelling"
)

// The exit codes.
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitUsage   = 2
)

// A UsageError is an error of the command line.
type UsageError struct{ error }

// options are what the command line says.
type options struct {
	works, subjects  []string
	tlslift, haproxy []string
	rounds           int
	quick            bool
	format           report.Format
	out              string
	from             string // a file
	timeout          time.Duration
	list, help       bool
}

const help = `tlslift-bench measures what tlslift costs beside the programs that can do the same
work: processor time of the process with all its children, memory (PSS), open
files and delays. It starts a destination with TLS 1.2, tlslift, and each peer
that is installed, with equivalent configurations that are built in, and lets old
clients do the same work through each, in turn. All is on loopback, is bounded,
and ends by itself. It needs Linux.

Each answer is checked. A peer that refuses the work, or does not do all of it,
has no number but "refused", and the reason below the table. A peer that is not
installed is left out; on Debian these are the packages:

  apt-get install haproxy nginx-light libnginx-mod-stream stunnel4 sslsplit squid-openssl

tlslift is built from the checkout that you are in, unless --tlslift says where it is.
Processor time suffers less from other work on the machine than delays do: look
at the load and the spread of the rounds before you believe a difference.

Usage:
  tlslift-bench [flags]

Examples:
  tlslift-bench --quick                        # does everything work here? (a minute)
  tlslift-bench --out performance              # all of it, with pictures (half an hour)
  tlslift-bench --works full-rsa,upload --subjects tlslift,haproxy --rounds 5
  tlslift-bench --tlslift ./old --tlslift ./new --subjects tlslift   # before and after
  tlslift-bench --haproxy /opt/haproxy/sbin/haproxy --works echo

Flags:
`

const exitCodes = `
Exit codes:
  0  the comparison is complete; what peers refused is in it
  1  tlslift itself refused a work, or the comparison could not be made or ended early
  2  the command line is wrong
`

// Run does what the command line says.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stdout)
	if err != nil {
		return UsageError{err}
	}
	if o.help {
		return nil
	}
	if o.list {
		listWorks(stdout)
		return nil
	}
	if o.from != "" {
		return again(o, stdout)
	}
	if runtime.GOOS != "linux" {
		return errors.New("it needs Linux, whose /proc says what processes use")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("--timeout %s is over", o.timeout))
	defer cancel()
	dir, err := os.MkdirTemp("", "tlslift-bench-build-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if len(o.tlslift) == 0 && slices.Contains(o.subjects, subject.TLSLift) {
		path, err := build(ctx, dir)
		if err != nil {
			return err
		}
		o.tlslift = []string{path}
	}
	plan := bench.Plan{
		Works: o.works, Rounds: o.rounds, Quick: o.quick, Command: strings.Join(append([]string{"tlslift-bench"}, safe(args)...), " "),
		Subjects: subject.Find(ctx, o.subjects, map[string][]string{subject.TLSLift: o.tlslift, "haproxy": o.haproxy}),
		Progress: func(line string) { fmt.Fprintln(stderr, line) },
	}
	result, err := plan.Run(ctx)
	if result == nil || len(result.Figures) == 0 {
		return err
	}
	return errors.Join(err, write(o, stdout, result), refusedByUs(result))
}

// again writes an earlier result.
func again(o options, stdout io.Writer) error {
	data, err := os.ReadFile(o.from)
	if err != nil {
		return fmt.Errorf("reading an earlier result: %w", err)
	}
	var r bench.Result
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("%s is no result in JSON: %w", o.from, err)
	}
	return write(o, stdout, &r)
}

// safe returns the arguments without the directories of paths, which say nothing to a reader.
func safe(args []string) []string {
	short := make([]string, len(args))
	for i, a := range args {
		name, value, found := strings.Cut(a, "=")
		switch {
		case !strings.Contains(a, "/"):
			short[i] = a
		case found:
			short[i] = name + "=" + filepath.Base(value)
		default:
			short[i] = filepath.Base(a)
		}
	}
	return short
}

// build makes tlslift of the checkout in the current directory.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "tlslift")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/tlslift/tlslift/cmd/tlslift") //nolint:gosec // a path of our own
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building tlslift; run this within its checkout, or say where it is with --tlslift: %w\n%s", err, out)
	}
	return path, nil
}

// write puts the result where the options say.
func write(o options, stdout io.Writer, r *bench.Result) error {
	if o.out != "" {
		if err := os.MkdirAll(o.out, 0o750); err != nil {
			return fmt.Errorf("making --out: %w", err)
		}
		for _, f := range report.Formats() {
			var b strings.Builder
			if err := f.Write(&b, r); err != nil {
				return err
			}
			path := filepath.Join(o.out, f.File)
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil { //nolint:gosec // figures for everybody
				return fmt.Errorf("writing the result: %w", err)
			}
		}
	}
	return o.format.Write(stdout, r)
}

// refusedByUs returns an error if tlslift did not do a work: then there is nothing to
// compare with.
func refusedByUs(r *bench.Result) error {
	var errs []error
	for _, s := range r.Subjects {
		for _, f := range r.Figures {
			if c := f.Cells[s.ID]; s.Ours() && c.Status == bench.Refused {
				errs = append(errs, fmt.Errorf("%s refused %s: %s", s.ID, f.Work, c.Why))
			}
		}
	}
	return errors.Join(errs...)
}

func listWorks(w io.Writer) {
	names, about := bench.Names()
	for i, n := range names {
		fmt.Fprintf(w, "%-12s  %s\n", n, about[i])
	}
}

// parse reads the command line.
func parse(args []string, stdout io.Writer) (options, error) {
	o := options{}
	var works, subjects, format string
	names, _ := bench.Names()
	var formats []string
	for _, f := range report.Formats() {
		formats = append(formats, f.Name)
	}
	fs := flag.NewFlagSet("tlslift-bench", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&works, "works", "", "what is measured, comma-separated `NAMES`; all without it; --list explains them")
	fs.StringVar(&subjects, "subjects", "", "who takes part, comma-separated `NAMES` of "+strings.Join(subject.IDs(), ", ")+"; all without it")
	fs.IntVar(&o.rounds, "rounds", 3, "how often each does each work, in turn: 1 to 100")
	fs.BoolVar(&o.quick, "quick", false, "do very little, in one round: to see whether everything works, not to compare")
	fs.StringVar(&format, "format", "table", "what is written to standard output: "+strings.Join(formats, ", "))
	fs.StringVar(&o.out, "out", "", "also write all formats into `DIR`")
	fs.StringVar(&o.from, "from", "", "measure nothing, and write the earlier result in the JSON `FILE` again")
	fs.DurationVar(&o.timeout, "timeout", time.Hour, "end after this time at the latest")
	fs.BoolVar(&o.list, "list", false, "list the works, and end")
	fs.Func("tlslift", "`PATH` of tlslift, in place of the checkout; may be repeated, to compare builds", appendTo(&o.tlslift))
	fs.Func("haproxy", "`PATH` of one more HAProxy; may be repeated", appendTo(&o.haproxy))
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, help)
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		fmt.Fprint(stdout, exitCodes)
		return options{help: true}, nil
	}
	if err != nil {
		return o, fmt.Errorf("%w; --help lists the flags", err)
	}
	return o, o.check(fs, works, subjects, format, names)
}

func appendTo(list *[]string) func(string) error {
	return func(value string) error {
		path, err := filepath.Abs(value)
		if err != nil {
			return err
		}
		if _, err := exec.LookPath(path); err != nil {
			return err
		}
		*list = append(*list, path)
		return nil
	}
}

// check completes the options, or says what is wrong with them.
func (o *options) check(fs *flag.FlagSet, works, subjects, format string, names []string) error {
	if fs.NArg() > 0 {
		return fmt.Errorf("%q is too much; all is said by flags, which --help lists", fs.Arg(0))
	}
	var err error
	if o.works, err = pick("works", works, names); err != nil {
		return err
	}
	if o.subjects, err = pick("subjects", subjects, subject.IDs()); err != nil {
		return err
	}
	if o.quick {
		o.rounds = 1
	}
	if o.rounds < 1 || o.rounds > 100 {
		return fmt.Errorf("--rounds %d: write a number from 1 to 100", o.rounds)
	}
	if o.timeout <= 0 {
		return fmt.Errorf("--timeout %s: write a time such as 1h", o.timeout)
	}
	for _, f := range report.Formats() {
		if f.Name == format {
			o.format = f
			return nil
		}
	}
	return fmt.Errorf("--format %q is unknown; --help lists what there is", format)
}

// pick returns the names in a list, which must be known; all of them for an empty list.
func pick(of, list string, known []string) ([]string, error) {
	if list == "" {
		return known, nil
	}
	var picked []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if slices.Contains(known, name) {
			picked = append(picked, name)
			continue
		}
		if near := spelling.Nearest(name, known); near != "" {
			return nil, fmt.Errorf("--%s has %q; did you mean %s?", of, name, near)
		}
		return nil, fmt.Errorf("--%s has %q; write some of %s", of, name, strings.Join(known, ", "))
	}
	return picked, nil
}
