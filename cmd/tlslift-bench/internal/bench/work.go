package bench

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/load"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/procstat"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/stats"
	"github.com/tlslift/tlslift/cmd/tlslift-bench/internal/subject"
)

// StormRole is the argument with which the program is a storm of clients.
const StormRole = "storm"

// An outcome is what one run of a work has shown.
type outcome struct {
	n       int     // how many connections, mails or bytes
	cpu     float64 // seconds of the subject
	seconds []float64
	kib     float64 // memory for each idle pair
	files   float64 // open files for each idle pair
}

// A figure is one number that a work gives. Less is better, always.
type figure struct {
	key, title, unit string
	digits           int
	value            func(outcome) float64
}

// A work is something that subjects do, and what is measured of it.
type work struct {
	name, about  string
	mode         subject.Mode
	ecdsa        bool   // the destination has a certificate for ECDSA
	suite        uint16 // of the old client; 0 for a client with TLS 1.2
	resumes      bool   // clients resume one session
	count, quick int    // how much is measured, and with --quick
	warm         int    // how much is done before that
	figures      []figure
	run          func(ctx context.Context, t load.Target, n int, pid int) (outcome, error)
}

const (
	mib = 1 << 20
	gib = 1 << 30

	rsaSuite   = tls.TLS_RSA_WITH_AES_128_CBC_SHA
	ecdheSuite = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
	ecdsaSuite = tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
)

// How many clients are at work at once.
const (
	connectionsAtOnce = 4
	mailsAtOnce       = 4
	stormAtOnce       = 200
)

var (
	cpuEach  = func(o outcome) float64 { return o.cpu * 1000 / float64(o.n) }
	cpuGiB   = func(o outcome) float64 { return o.cpu * gib / float64(o.n) }
	kibEach  = func(o outcome) float64 { return o.kib }
	fileEach = func(o outcome) float64 { return o.files }
)

func percentile(p float64) func(outcome) float64 {
	return func(o outcome) float64 { return stats.Percentile(o.seconds, p) * 1000 }
}

func cpuFigure(title string) []figure { return []figure{{"cpu", title, "ms CPU", 2, cpuEach}} }

func idleFigures(title string) []figure {
	return []figure{{"memory", title + ", memory", "KiB PSS", 0, kibEach}, {"files", title + ", files", "files", 1, fileEach}}
}

func mailFigures(title string) []figure {
	return []figure{{"cpu", title, "ms CPU", 2, cpuEach}, {"p50", title + ", p50", "ms", 0, percentile(50)}}
}

// works are all works, in the order of the tables.
var works = []work{
	{
		name: "full-rsa", about: "full connections, TLS 1.0 with AES128-SHA, one small exchange in each",
		mode: subject.Lift, suite: rsaSuite, count: 500, quick: 20, warm: 20,
		figures: cpuFigure("full connection, AES128-SHA"), run: connections,
	},
	{
		name: "full-ecdhe", about: "full connections, TLS 1.0 with ECDHE-RSA-AES128-SHA, one small exchange in each",
		mode: subject.Lift, suite: ecdheSuite, count: 500, quick: 20, warm: 20,
		figures: cpuFigure("full connection, ECDHE-RSA-AES128-SHA"), run: connections,
	},
	{
		name: "full-ecdsa", about: "full connections, TLS 1.0 with ECDHE-ECDSA-AES128-SHA, one small exchange in each",
		mode: subject.LiftECDSA, suite: ecdsaSuite, count: 500, quick: 20, warm: 20,
		figures: cpuFigure("full connection, ECDHE-ECDSA-AES128-SHA"), run: connections,
	},
	{
		name: "resumed", about: "connections that resume a session by its ticket, TLS 1.0 with AES128-SHA, one small exchange in each",
		mode: subject.Lift, suite: rsaSuite, resumes: true, count: 500, quick: 20, warm: 20,
		figures: cpuFigure("resumed connection, AES128-SHA"), run: connections,
	},
	{
		name: "upload", about: "one upload of 256 MiB, TLS 1.0 with ECDHE-RSA-AES128-SHA",
		mode: subject.Lift, suite: ecdheSuite, count: 256 * mib, quick: mib, warm: mib,
		figures: []figure{{"cpu", "upload", "s CPU per GiB", 2, cpuGiB}}, run: upload,
	},
	{
		name: "download", about: "one download of 256 MiB, TLS 1.0 with ECDHE-RSA-AES128-SHA",
		mode: subject.Lift, suite: ecdheSuite, count: 256 * mib, quick: mib, warm: mib,
		figures: []figure{{"cpu", "download", "s CPU per GiB", 2, cpuGiB}}, run: download,
	},
	{
		name: "idle-lifted", about: "lifted connections that stay open and silent: memory and open files for each",
		mode: subject.Lift, suite: ecdheSuite, count: 500, quick: 10, warm: 100,
		figures: idleFigures("idle lifted pair"), run: idle(0),
	},
	{
		name: "idle-lifted-used", about: "lifted connections that are silent after 1 MiB each way: memory and open files for each",
		mode: subject.Lift, suite: ecdheSuite, count: 200, quick: 10, warm: 50,
		figures: idleFigures("idle lifted pair after 1 MiB each way"), run: idle(mib),
	},
	{
		name: "passed", about: "passed connections of a client with TLS 1.2, one small exchange in each",
		mode: subject.Pass, count: 1000, quick: 20, warm: 20,
		figures: cpuFigure("passed connection"), run: connections,
	},
	{
		name: "passed-bulk", about: "one download of 1 GiB through a passed connection",
		mode: subject.Pass, count: gib, quick: mib, warm: mib,
		figures: []figure{{"cpu", "passed bytes", "s CPU per GiB", 2, cpuGiB}}, run: download,
	},
	{
		name: "idle-passed", about: "passed connections that stay open and silent: memory and open files for each",
		mode: subject.Pass, count: 500, quick: 10, warm: 100,
		figures: idleFigures("idle passed pair"), run: idle(0),
	},
	{
		name: "idle-passed-used", about: "passed connections that are silent after 1 MiB each way: memory and open files for each",
		mode: subject.Pass, count: 200, quick: 10, warm: 50,
		figures: idleFigures("idle passed pair after 1 MiB each way"), run: idle(mib),
	},
	{
		name: "mail-large", about: "mails of 1 MiB, SMTP with STARTTLS at TLS 1.0, each in a session of its own",
		mode: subject.Mail, suite: ecdheSuite, count: 50, quick: 4, warm: 4,
		figures: mailFigures("mail of 1 MiB"), run: mails(mib),
	},
	{
		name: "mail-small", about: "mails of 2 kB, SMTP with STARTTLS at TLS 1.0, each in a session of its own",
		mode: subject.Mail, suite: ecdheSuite, count: 200, quick: 4, warm: 4,
		figures: mailFigures("mail of 2 kB"), run: mails(2000),
	},
	{
		name: "echo", about: "small exchanges on an open session, one each 10 ms, during 3,000 handshakes of other clients, 200 at once",
		mode: subject.Lift, ecdsa: true, suite: ecdheSuite, count: 3000, quick: 50, warm: 20,
		figures: []figure{
			{"p50", "echo during handshakes, p50", "ms", 1, percentile(50)},
			{"p99", "echo during handshakes, p99", "ms", 1, percentile(99)},
		},
		run: echo,
	},
	{
		name: "connect", about: "full connections through CONNECT, TLS 1.0 with ECDHE-RSA-AES128-SHA",
		mode: subject.Connect, suite: ecdheSuite, count: 300, quick: 20, warm: 20,
		figures: cpuFigure("full connection through CONNECT"), run: connections,
	},
}

// measured returns what f returns, with the processor time that the subject took for it.
func measured(ctx context.Context, pid, n int, f func() ([]float64, error)) (outcome, error) {
	before, err := procstat.CPU(pid)
	if err != nil {
		return outcome{}, err
	}
	seconds, err := f()
	if err != nil {
		return outcome{}, err
	}
	// What is left to do when the client has its answer: closing, logging.
	if err := settle(ctx, 200*time.Millisecond); err != nil {
		return outcome{}, err
	}
	after, err := procstat.CPU(pid)
	if err != nil {
		return outcome{}, err
	}
	return outcome{n: n, cpu: after - before, seconds: seconds}, nil
}

// settle lets the subject come to rest.
func settle(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func connections(ctx context.Context, t load.Target, n, pid int) (outcome, error) {
	return measured(ctx, pid, n, func() ([]float64, error) { return t.Connections(ctx, n, connectionsAtOnce) })
}

func mails(size int) func(context.Context, load.Target, int, int) (outcome, error) {
	return func(ctx context.Context, t load.Target, n, pid int) (outcome, error) {
		return measured(ctx, pid, n, func() ([]float64, error) { return t.Mails(ctx, n, mailsAtOnce, size) })
	}
}

func upload(ctx context.Context, t load.Target, n, pid int) (outcome, error) {
	return transfer(ctx, t, n, pid, (*load.Session).Upload)
}

func download(ctx context.Context, t load.Target, n, pid int) (outcome, error) {
	return transfer(ctx, t, n, pid, (*load.Session).Download)
}

func transfer(ctx context.Context, t load.Target, n, pid int, move func(*load.Session, int64) error) (outcome, error) {
	s, err := t.Open(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer s.Close()
	return measured(ctx, pid, n, func() ([]float64, error) { return nil, move(s, int64(n)) })
}

// idleTime returns how long so many pairs have been idle when their memory is read: some
// programs give it back only then. Few pairs are not compared.
func idleTime(n int) time.Duration {
	if n < 100 {
		return time.Second
	}
	return 8 * time.Second
}

// idle measures pairs that are silent after so many bytes each way.
func idle(size int64) func(context.Context, load.Target, int, int) (outcome, error) {
	return func(ctx context.Context, t load.Target, n, pid int) (outcome, error) {
		// Until what is left of earlier connections is gone.
		if err := settle(ctx, idleTime(n)); err != nil {
			return outcome{}, err
		}
		before, err := procstat.Read(pid)
		if err != nil {
			return outcome{}, err
		}
		o := outcome{n: n}
		err = t.Hold(ctx, n, size, func() error {
			if err := settle(ctx, idleTime(n)); err != nil {
				return err
			}
			after, err := procstat.Read(pid)
			if err != nil {
				return err
			}
			o.kib = (after.PSSKiB - before.PSSKiB) / float64(n)
			o.files = float64(after.Files-before.Files) / float64(n)
			return nil
		})
		return o, err
	}
}

func echo(ctx context.Context, t load.Target, n, _ int) (outcome, error) {
	s := load.Storm{Target: t, Count: n, AtOnce: stormAtOnce}
	seconds, err := s.EchoDuring(ctx, StormRole)
	return outcome{n: n, seconds: seconds}, err
}
