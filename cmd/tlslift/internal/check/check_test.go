package check

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tlslift/tlslift/cmd/tlslift/internal/settings"
	"github.com/tlslift/tlslift/proxy/fakem365"
	"github.com/tlslift/tlslift/proxy/listener"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/sockets"
	"github.com/tlslift/tlslift/proxy/testenv"
)

// A world is a machine on which all is well, until a test changes it.
type world struct {
	fake      *fakem365.Service
	environ   map[string]string
	connectTo map[string]string
	machine   Machine
	timeout   time.Duration
	byRoot    bool
	rules     func(context.Context) (string, error)
}

const (
	submission = "smtp.office365.com:587"
	web        = "outlook.office365.com:443"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{fake: newFake(t, 4), connectTo: map[string]string{}, timeout: testenv.Patience}
	mail, err := w.fake.ServeSMTP(fakem365.MailOptions{})
	if err != nil {
		t.Fatal(err)
	}
	https, err := w.fake.ServeHTTPS(fakem365.TLSOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.connectTo[submission], w.connectTo[web] = mail.Addr(), https.Addr()
	state := t.TempDir()
	w.environ = map[string]string{
		"HOME": state, "LOCALAPPDATA": state, "TLSLIFT_STATE_DIR": state, "TLSLIFT_ADMIN_LISTEN": testenv.FreeAddress(t),
		"TLSLIFT_LISTEN":           "smtp://" + testenv.FreeAddress(t) + ",proxy://" + testenv.FreeAddress(t),
		"TLSLIFT_UPSTREAM_CA_FILE": testenv.WriteFile(t, "roots.pem", w.fake.RootPEM()),
	}
	must(t, os.Mkdir(w.in(""), 0o700))
	otherCA(t, w, func(*x509.Certificate) {})
	w.machine = Machine{
		Now: time.Now, OpenFiles: func() (uint64, bool) { return 1 << 16, true }, Listen: sockets.Open,
		CanMark: func(uint32) error { return nil }, PublicRoots: w.fake.Roots, Addresses: addresses,
		Output: func(context.Context, string, ...string) ([]byte, error) { return nil, errors.New("no such program") },
	}
	return w
}

// addresses are those of the machine.
func addresses() ([]net.Addr, error) {
	return []net.Addr{&net.IPNet{IP: net.IPv4(192, 168, 20, 1), Mask: net.CIDRMask(24, 32)}}, nil
}

// run makes all checks.
func (w *world) run(t *testing.T) Report {
	t.Helper()
	var pairs []string
	for from, to := range w.connectTo {
		pairs = append(pairs, from+"="+to)
	}
	environ := maps.Clone(w.environ)
	environ["TLSLIFT_CONNECT_TO"] = strings.Join(pairs, ",")
	o := Options{Load: settings.Source{Environ: environ}.Load, Machine: w.machine, Timeout: w.timeout, ByRoot: w.byRoot, Rules: w.rules}
	var printed strings.Builder
	report := o.Run(t.Context(), Printer{Out: &printed}.Each)
	t.Log("\n" + printed.String())
	for _, r := range report.Checks {
		if !slices.ContainsFunc(names, func(row struct {
			name    Name
			meaning string
		}) bool {
			return row.name == r.Check
		}) || r.Says == "" || strings.Contains(r.Says, "\n") || (r.Remedy == "") != (r.Status == OK || r.Status == Skipped) {
			t.Errorf("a result is not one: %+v", r)
		}
	}
	return report
}

// wrong returns the results that are neither ok nor skipped.
func (r Report) wrong() (all []Result) {
	for _, one := range r.Checks {
		if one.Status == Failed || one.Status == Warning {
			all = append(all, one)
		}
	}
	return all
}

func TestAllIsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report := w.run(t)
	if wrong := report.wrong(); wrong != nil || report.Err(true) != nil || report.Summary() != "All is well." {
		t.Errorf("got %+v", wrong)
	}
	for _, name := range []Name{Configuration, Listener, OpenFiles, Authority, Endpoints, DNS, Egress, TLS, Certificate, Clock} {
		if !slices.ContainsFunc(report.Checks, func(r Result) bool { return r.Check == name && r.Status == OK }) {
			t.Errorf("%s is not there", name)
		}
	}
}

// A trouble is something that is wrong, and what is then found.
type trouble struct {
	change func(*testing.T, *world)
	check  Name
	status Status
	says   string
	remedy string
	reason record.Reason
	others []Name // that are wrong for the same reason
}

// serveMail puts another mail server in the place of Microsoft's.
func (w *world) serveMail(t *testing.T, of *fakem365.Service, o fakem365.TLSOptions) {
	t.Helper()
	server, err := of.ServeSMTP(fakem365.MailOptions{TLS: o})
	if err != nil {
		t.Fatal(err)
	}
	w.connectTo[submission] = server.Addr()
}

// expired is a server's certificate that is not valid any more.
func expired(t *testing.T, w *world) {
	t.Helper()
	certificate, err := w.fake.Certificate(fakem365.CertOptions{NotAfter: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	w.serveMail(t, w.fake, fakem365.TLSOptions{Certificate: &certificate})
}

// otherCA puts another CA in the place of tlslift's own.
func otherCA(t *testing.T, w *world, change func(*x509.Certificate)) {
	t.Helper()
	template := testenv.Template("our CA")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	template.NotAfter = time.Now().AddDate(5, 0, 0)
	template.PermittedDNSDomains = []string{"office365.com"}
	change(template)
	key := testenv.RSAKey(t, 1)
	pair := testenv.SelfSigned(t, template, key)
	dir := filepath.Join(w.environ["TLSLIFT_STATE_DIR"], "ca")
	for name, text := range map[string][]byte{"ca.pem": testenv.CertificatePEM(pair.Leaf), "ca.key": testenv.KeyPEM(t, key)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// in returns the path of a file of the CA.
func (w *world) in(name string) string {
	return filepath.Join(w.environ["TLSLIFT_STATE_DIR"], "ca", name)
}

// runs starts the admin address of a tlslift that runs.
func (w *world) runs(t *testing.T, metrics string) {
	t.Helper()
	w.environ["TLSLIFT_ADMIN_LISTEN"] = serveAdmin(t, metrics)
}

func localTroubles() map[string]trouble {
	return map[string]trouble{
		"an unknown setting": {
			change: func(_ *testing.T, w *world) { w.environ["TLSLIFT_LISTN"] = "x" },
			check:  Configuration, status: Failed, says: "TLSLIFT_LISTN is not a setting", remedy: "did you mean TLSLIFT_LISTEN?",
		},
		"a broken file": {
			change: func(t *testing.T, w *world) {
				w.environ["TLSLIFT_CLIENTS_FILE"] = testenv.WriteFile(t, "clients.yaml", []byte("clients:\n- {name: a, adress: 10.1.2.3}\n"))
			},
			check: Configuration, status: Failed, says: "TLSLIFT_CLIENTS_FILE", remedy: "did you mean address?",
		},
		"a missing file": {
			change: func(_ *testing.T, w *world) { w.environ["TLSLIFT_UPSTREAM_CA_FILE"] = "/no/such.pem" },
			check:  Configuration, status: Failed, says: "cannot read /no/such.pem", remedy: "correct the path",
		},
		"what is unwise": {
			change: func(_ *testing.T, w *world) { w.environ["TLSLIFT_TRUSTED_PROXIES"] = "100.64.0.0/10" },
			check:  Configuration, status: Warning, says: "can claim to be any client", remedy: "load balancers",
		},
		"no CA yet": {
			change: func(t *testing.T, w *world) { must(t, os.RemoveAll(w.in(""))) },
			check:  Authority, status: Warning, says: "the first start of tlslift makes one", remedy: "import the CA",
		},
		"no CA of one that runs": {
			change: func(t *testing.T, w *world) {
				must(t, os.RemoveAll(w.in("")))
				w.runs(t, "tlslift_connections_limit 10000\n")
			},
			check: Authority, status: Failed, says: "a tlslift runs that has loaded one", remedy: "from a backup",
		},
		"no key of the CA": {
			change: func(t *testing.T, w *world) { must(t, os.Remove(w.in("ca.key"))) },
			check:  Authority, status: Failed, says: "ca.key is missing", remedy: "from a backup",
		},
		"no certificate of the CA": {
			change: func(t *testing.T, w *world) { must(t, os.Remove(w.in("ca.pem"))) },
			check:  Authority, status: Failed, says: "ca.pem is missing", remedy: "from a backup",
		},
		"a CA that is none": {
			change: func(t *testing.T, w *world) { must(t, os.WriteFile(w.in("ca.pem"), []byte("x"), 0o600)) },
			check:  Authority, status: Failed, says: "no certificate in PEM form", remedy: "move the directory",
		},
		"an expired CA": {
			change: func(t *testing.T, w *world) {
				otherCA(t, w, func(c *x509.Certificate) {
					c.NotBefore, c.NotAfter = time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0)
				})
			},
			check: Authority, status: Failed, says: "has expired on", remedy: "restart tlslift",
		},
		"a CA that expires soon": {
			change: func(t *testing.T, w *world) {
				otherCA(t, w, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(10*24*time.Hour + time.Minute) })
			},
			check: Authority, status: Warning, says: "for 10 days more", remedy: "in time",
		},
		"a CA without limits": {
			change: func(t *testing.T, w *world) { otherCA(t, w, func(c *x509.Certificate) { c.PermittedDNSDomains = nil }) },
			check:  Authority, status: Warning, says: "every name there is", remedy: "CA of its own",
		},
		"a CA of other hosts": {
			change: func(t *testing.T, w *world) {
				otherCA(t, w, func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"outlook.office365.com"} })
			},
			check: Authority, status: Warning, says: "may not sign for smtp.office365.com", remedy: "new CA",
		},
		"a CA that others can read": {
			change: func(t *testing.T, w *world) { must(t, os.Chmod(w.in("ca.key"), 0o644)) },
			check:  Authority, status: Failed, says: "has mode 0644", remedy: "chmod 600",
		},
		"a CA that others can replace": {
			change: func(t *testing.T, w *world) { must(t, os.Chmod(w.in(""), 0o777)) },
			check:  Authority, status: Failed, says: "has mode 0777", remedy: "chmod go-w",
		},
		"few open files": {
			change: func(_ *testing.T, w *world) { w.machine.OpenFiles = func() (uint64, bool) { return 1024, true } },
			check:  OpenFiles, status: Warning, says: "199 connections fit into the limit of 1024 files", remedy: "LimitNOFILE",
		},
		"few open files of the unit": {
			change: func(_ *testing.T, w *world) {
				w.machine.Output = func(context.Context, string, ...string) ([]byte, error) {
					return []byte("LoadState=loaded\nLimitNOFILE=1024\n"), nil
				}
			},
			check: OpenFiles, status: Warning, says: "which is that of the systemd unit", remedy: "LimitNOFILE",
		},
		"few open files of one that runs": {
			change: func(t *testing.T, w *world) {
				w.runs(t, "tlslift_connections_limit 199\nprocess_max_fds 1024\n")
			},
			check: OpenFiles, status: Warning, says: "permits 199 connections, and not 10000", remedy: "LimitNOFILE",
		},
		"an old list": {
			change: func(_ *testing.T, w *world) {
				w.machine.Now = func() time.Time { return time.Now().AddDate(2, 0, 0) }
			},
			check: Endpoints, status: Warning, says: "days old", remedy: "TLSLIFT_M365_REFRESH=true", others: []Name{Clock},
		},
		"one that runs and is not ready": {
			change: func(t *testing.T, w *world) { w.environ["TLSLIFT_ADMIN_LISTEN"] = serveUnready(t) },
			check:  Running, status: Failed, says: "not ready: starting", remedy: "journalctl",
		},
	}
}

// says returns what runs programs that write texts, by their names or whole command lines.
func says(output map[string]string) func(context.Context, string, ...string) ([]byte, error) {
	return func(_ context.Context, name string, args ...string) ([]byte, error) {
		for _, key := range []string{strings.Join(append([]string{name}, args...), " "), name} {
			if text, has := output[key]; has {
				return []byte(text), nil
			}
		}
		return nil, errors.New("operation not permitted")
	}
}

func listenTroubles() map[string]trouble {
	refuse := func(err error) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) {
			w.machine.Listen = func(ctx context.Context, u listener.URL) (net.Listener, error) {
				if u.Scheme == listener.SchemeSMTP || u.Scheme.Transparent() {
					return nil, fmt.Errorf("listen: %w", err)
				}
				return sockets.Open(ctx, u)
			}
		}
	}
	transparent := func(url string, output map[string]string) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) {
			w.environ["TLSLIFT_LISTEN"] = url
			w.machine.Listen = func(ctx context.Context, u listener.URL) (net.Listener, error) {
				return sockets.Open(ctx, listener.URL{Address: "127.0.0.1:0"})
			}
			w.machine.Output = says(output)
		}
	}
	return map[string]trouble{
		"a port that is taken": {
			change: func(t *testing.T, w *world) {
				taken := testenv.Serve(t, func(net.Conn) {})
				w.environ["TLSLIFT_LISTEN"] = "smtp://" + taken.String()
			},
			check: Listener, status: Failed, says: "another program listens there", remedy: "ss -ltnp",
		},
		"a low port": {
			change: refuse(syscall.EACCES), check: Listener, status: Failed, says: "permission denied", remedy: "sudo tlslift check",
		},
		"an address of elsewhere": {
			change: refuse(syscall.EADDRNOTAVAIL), check: Listener, status: Failed, says: "address", remedy: "of this machine",
		},
		"no rules": {
			change: transparent("redirect://:3129", map[string]string{"nft": "table ip x { tcp dport 587 redirect to :31290 }"}),
			check:  FirewallRules, status: Failed, says: "no rule of this machine leads there", remedy: "tlslift rules | sudo nft -f -",
		},
		"a port of another machine": {
			change: transparent("redirect://:3129", map[string]string{
				"nft": "dnat to 192.168.20.2:3129 dnat ip6 to [fd00::1]:3129", "iptables-save": "-j DNAT --to-destination 192.168.20.11:3129",
			}),
			check: FirewallRules, status: Failed, says: "no rule of this machine leads there", remedy: "tlslift rules | sudo nft -f -",
		},
		"a port of another of its addresses": {
			change: transparent("redirect://192.168.20.3:3129", map[string]string{"nft": "dnat to 192.168.20.1:3129"}),
			check:  FirewallRules, status: Failed, says: "no rule of this machine leads there", remedy: "tlslift rules | sudo nft -f -",
		},
		"no TPROXY rules": {
			change: transparent("tproxy://:3130", map[string]string{"nft": "redirect to :3130"}),
			check:  FirewallRules, status: Failed, says: "no rule of this machine leads there", remedy: "--routes",
			others: []Name{Routing},
		},
		"rules that cannot be read": {
			change: transparent("redirect://:3129", nil),
			check:  FirewallRules, status: Warning, says: "nft list ruleset: operation not permitted", remedy: "sudo tlslift check",
		},
		"no mark": {
			change: func(t *testing.T, w *world) {
				transparent("redirect://:3129", map[string]string{"nft": "redirect to :3129"})(t, w)
				w.machine.CanMark = func(uint32) error { return syscall.EPERM }
			},
			check: FirewallMark, status: Warning, says: "operation not permitted", remedy: "CAP_NET_ADMIN",
		},
		"no mark that was wanted": {
			change: func(_ *testing.T, w *world) {
				w.environ["TLSLIFT_UPSTREAM_MARK"] = "7"
				w.machine.CanMark = func(uint32) error { return syscall.EPERM }
			},
			check: FirewallMark, status: Failed, says: "operation not permitted", remedy: "CAP_NET_ADMIN",
		},
		"a unit without the capability": {
			change: transparent("redirect://:3129", map[string]string{
				"nft": "redirect to :3129", "systemctl": "AmbientCapabilities=cap_net_bind_service\nLoadState=loaded\n",
			}),
			check: FirewallMark, status: Warning, says: "the systemd unit does not give it", remedy: "transparent.conf",
		},
		"TPROXY without the capability": {
			change: func(t *testing.T, w *world) {
				transparent("tproxy://:3130", map[string]string{"nft": "tproxy to :3130"})(t, w)
				refuse(syscall.EPERM)(t, w)
			},
			check: Listener, status: Failed, says: "operation not permitted", remedy: "CAP_NET_ADMIN", others: []Name{Routing},
		},
		"TPROXY without routes": {
			change: transparent("tproxy://:3130", map[string]string{
				"nft": "tproxy to :3130", "ip": "", "ip -4 rule show": "32765:	from all fwmark 0x746d lookup 29805\n",
			}),
			check: Routing, status: Failed, says: "IPv4: no route brings", remedy: "tlslift rules --tproxy --routes | sudo sh",
		},
		"TPROXY with a route of somebody else's table": {
			change: transparent("tproxy://:3130", map[string]string{
				"nft": "tproxy to :3130", "ip": "local default dev lo scope host\n", "ip -4 rule show": "0:	from all lookup local\n",
			}),
			check: Routing, status: Failed, says: "IPv4: no route brings", remedy: "--routes",
		},
		"TPROXY without routes for IPv6": {
			change: transparent("tproxy://:3130", map[string]string{
				"nft": "tproxy to :3130", "ip": "local 0.0.0.0/0 dev lo\n", "ip -6 rule show": "0:	from all lookup local\n",
				"ip -4 rule show": "9:	from all fwmark 0x1/0xff iif eth0 lookup tproxy\n",
			}),
			check: Routing, status: Failed, says: "IPv6: no route brings", remedy: "--routes",
		},
	}
}

func egressTroubles() map[string]trouble {
	return map[string]trouble{
		"no name server": {
			change: func(_ *testing.T, w *world) {
				delete(w.connectTo, submission)
				w.machine.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, errors.New("no route to the name server")
				}}
			},
			check: DNS, status: Failed, says: "no route to the name server", remedy: "name server", reason: record.ReasonDNSFailed,
		},
		"a name that is not found": {
			change: func(t *testing.T, w *world) {
				delete(w.connectTo, submission)
				w.machine.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
					client, server := net.Pipe()
					go findNothing(server)
					return client, nil
				}}
			},
			check: DNS, status: Failed, says: "no such host", remedy: "TLSLIFT_UPSTREAM_PROXY", reason: record.ReasonNameNotFound,
		},
		"refused": {
			change: func(t *testing.T, w *world) { w.connectTo[submission] = testenv.FreeAddress(t) },
			check:  Egress, status: Failed, says: "connection refused", remedy: "firewall", reason: record.ReasonUpstreamRefused,
		},
		"port 25 closed": {
			change: func(t *testing.T, w *world) {
				const mx = "contoso-com.mail.protection.outlook.com:25"
				w.environ["TLSLIFT_LISTEN"] += ",smtp://" + testenv.FreeAddress(t) + "?to=" + mx
				w.connectTo[mx] = testenv.FreeAddress(t)
			},
			check: Egress, status: Failed, says: "connection refused", remedy: "open port 25", reason: record.ReasonUpstreamRefused,
			others: []Name{Authority}, // which is for office365.com only
		},
		"no STARTTLS": {
			change: func(t *testing.T, w *world) {
				w.connectTo[submission] = testenv.Serve(t, scripted("220 hi\r\n", "250 hi\r\n", "502 no\r\n")).String()
			},
			check: Egress, status: Failed, says: `the destination said "502 no"`, remedy: "", reason: record.ReasonUpstreamNoStartTLS,
		},
		"a server that refuses the session": {
			change: func(t *testing.T, w *world) {
				w.connectTo[submission] = testenv.Serve(t, scripted("554 go away\r\n")).String()
			},
			check: Egress, status: Failed, says: "go away", remedy: "", reason: record.ReasonUpstreamRefusedSession,
		},
		"old TLS": {
			change: func(t *testing.T, w *world) {
				server, err := w.fake.ServeHTTPS(fakem365.TLSOptions{MinVersion: 0x0301, MaxVersion: 0x0302})
				must(t, err)
				w.connectTo[web] = server.Addr()
			},
			check: TLS, status: Failed, says: "protocol version", remedy: "", reason: record.ReasonUpstreamTLSTooOld,
		},
		"an untrusted CA in the way": {
			change: func(t *testing.T, w *world) { w.serveMail(t, firewall(t), fakem365.TLSOptions{}) },
			check:  Certificate, status: Failed, says: "a firewall that inspects TLS is in the way", remedy: "exempt " + submission,
			reason: record.ReasonUpstreamCertUntrusted,
		},
		"a trusted CA in the way": {
			change: func(t *testing.T, w *world) {
				of := firewall(t)
				w.serveMail(t, of, fakem365.TLSOptions{})
				both := append(w.fake.RootPEM(), of.RootPEM()...)
				w.environ["TLSLIFT_UPSTREAM_CA_FILE"] = testenv.WriteFile(t, "both.pem", both)
			},
			check: Certificate, status: Warning, says: "which is no public authority", remedy: "exempt " + submission,
		},
		"a wrong name": {
			change: func(t *testing.T, w *world) {
				w.serveMail(t, w.fake, fakem365.TLSOptions{Names: []string{"mail.example.net"}})
			},
			check: Certificate, status: Failed, says: "it is from", remedy: "", reason: record.ReasonUpstreamCertName,
		},
		"an expired certificate": {
			change: expired, check: Certificate, status: Failed, says: "expired", remedy: "", reason: record.ReasonUpstreamCertExpired,
		},
		"a clock that is behind": {
			change: func(_ *testing.T, w *world) {
				w.machine.Now = func() time.Time { return time.Now().Add(-2 * time.Minute) }
			},
			check: Clock, status: Failed, says: " behind ", remedy: "NTP",
		},
		"a clock that is ahead": {
			change: func(_ *testing.T, w *world) {
				w.machine.Now = func() time.Time { return time.Now().Add(90 * time.Second) }
			},
			check: Clock, status: Failed, says: " ahead of ", remedy: "timedatectl",
		},
		"a clock that the greeting tells of": {
			change: func(t *testing.T, w *world) {
				w.environ["TLSLIFT_LISTEN"] = "smtp://" + testenv.FreeAddress(t)
				greeting := "220 x.outlook.office365.com Microsoft ESMTP MAIL Service ready at Sat, 1 Aug 2026 10:00:00 +0000 [0]\r\n"
				w.connectTo[submission] = testenv.Serve(t, scripted(greeting, "250 hi\r\n", "454 no\r\n")).String()
				w.machine.Now = func() time.Time { return time.Date(2026, 8, 1, 11, 0, 0, 0, time.UTC) }
			},
			check: Clock, status: Failed, says: "ahead of the greeting", remedy: "NTP", others: []Name{Egress},
		},
	}
}

// firewall is one that signs certificates of its own.
func firewall(t *testing.T) *fakem365.Service {
	t.Helper()
	return newFake(t, 2)
}

// newFake is a fake Microsoft 365 whose root has one of the keys that the tests share.
func newFake(t *testing.T, key int) *fakem365.Service {
	t.Helper()
	of, err := fakem365.New(fakem365.Options{RootKey: testenv.RSAKey(t, key), LeafKey: testenv.RSAKey(t, 3)})
	must(t, err)
	t.Cleanup(of.Close)
	return of
}

// Whatever is wrong is found, alone, with what to do.
func TestTroubles(t *testing.T) {
	t.Parallel()
	for _, table := range []map[string]trouble{localTroubles(), listenTroubles(), egressTroubles()} {
		for name, tt := range table {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				tt.change(t, w)
				tt.expect(t, w.run(t))
			})
		}
	}
}

// expect wants the trouble in a report, and nothing else.
func (tt trouble) expect(t *testing.T, report Report) {
	t.Helper()
	found := false
	for _, r := range report.wrong() {
		switch {
		case r.Check == tt.check:
			found = true
			if r.Status != tt.status || !strings.Contains(r.Says, tt.says) || !strings.Contains(r.Remedy, tt.remedy) ||
				r.Reason != tt.reason {
				t.Errorf("got %+v", r)
			}
		case !slices.Contains(tt.others, r.Check):
			t.Errorf("besides, %+v", r)
		}
	}
	if !found {
		t.Errorf("%s is well", tt.check)
	}
	if (report.Err(false) != nil) != (report.Failed > 0) || report.Err(true) == nil {
		t.Errorf("the errors are %v and %v", report.Err(false), report.Err(true))
	}
}
