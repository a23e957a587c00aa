package subject

import (
	"context"
	"os"
	"path/filepath"
)

// A Mode is a way in which a proxy is used.
type Mode string

// The modes. Each has a configuration for each kind of proxy that can do it.
const (
	Lift Mode = "lift" // implicit TLS on both sides, old towards the client
	// LiftECDSA is Lift with an ECDSA key towards the client.
	LiftECDSA Mode = "lift-ecdsa"
	Pass      Mode = "pass"    // the client's bytes, untouched
	Mail      Mode = "mail"    // SMTP with STARTTLS on both sides
	Connect   Mode = "connect" // an HTTP proxy that ends the TLS inside CONNECT
)

// A byMode is a text for some modes.
type byMode []struct {
	mode Mode
	text string
}

// of returns the text for a mode; empty if there is none.
func (b byMode) of(m Mode) string {
	for _, t := range b {
		if t.mode == m {
			return t.text
		}
	}
	return ""
}

// A kind is a program that is compared, with what is different about it.
type kind struct {
	id, title string
	programs  []string // names to look up
	version   []string // arguments that print its version
	args      []string // arguments that run it, with CONFIG, DIR and PORT
	configs   byMode   // files in configs
	cannot    byMode   // why it has no configuration for a mode
	prepare   func(ctx context.Context, v *values) error
}

const noStartTLS = "has no STARTTLS towards both sides"

// kinds are what can be compared, in the order of the tables.
var kinds = []kind{
	{
		id: TLSLift, title: "tlslift", version: []string{"version"}, args: []string{"serve", "--env-file", "CONFIG"},
		configs: byMode{
			{Lift, "tlslift.conf"}, {LiftECDSA, "tlslift.conf"}, {Pass, "tlslift.conf"}, {Mail, "tlslift.conf"}, {Connect, "tlslift.conf"},
		},
	},
	{
		id: "haproxy", title: "HAProxy", programs: []string{"haproxy"}, version: []string{"-v"}, args: []string{"-db", "-f", "CONFIG"},
		configs: byMode{{Lift, "haproxy-lift.cfg"}, {LiftECDSA, "haproxy-lift.cfg"}, {Pass, "haproxy-pass.cfg"}},
		cannot:  byMode{{Mail, noStartTLS}, {Connect, "is no proxy for CONNECT"}},
	},
	{
		id: "nginx", title: "nginx stream", programs: []string{"nginx"}, version: []string{"-v"},
		args:    []string{"-e", "stderr", "-p", "DIR", "-c", "CONFIG"},
		configs: byMode{{Lift, "nginx-lift.conf"}, {LiftECDSA, "nginx-lift.conf"}, {Pass, "nginx-pass.conf"}},
		cannot:  byMode{{Mail, "has no TLS towards the destination for mail"}, {Connect, "does not end the TLS inside CONNECT"}},
		prepare: findStreamModule,
	},
	{
		id: "stunnel", title: "stunnel", programs: []string{"stunnel4", "stunnel"}, version: []string{"-version"}, args: []string{"CONFIG"},
		configs: byMode{{Lift, "stunnel-lift.conf"}, {LiftECDSA, "stunnel-lift.conf"}, {Mail, "stunnel-mail.conf"}},
		cannot:  byMode{{Pass, "always uses TLS itself"}, {Connect, "is no proxy for CONNECT"}},
	},
	{
		id: "sslsplit", title: "sslsplit", programs: []string{"sslsplit"}, version: []string{"-V"}, args: []string{"-f", "CONFIG"},
		configs: byMode{{Lift, "sslsplit-lift.conf"}, {Pass, "sslsplit-pass.conf"}, {Mail, "sslsplit-mail.conf"}},
		cannot:  byMode{{LiftECDSA, "has one RSA key for all its certificates"}, {Connect, "is no proxy for CONNECT"}},
	},
	{
		id: "squid", title: "Squid", programs: []string{"squid"}, version: []string{"-v"},
		args:    []string{"-N", "-n", "benchPORT", "-f", "CONFIG"},
		configs: byMode{{Connect, "squid-connect.conf"}},
		cannot: byMode{
			{Lift, "needs HTTP and CONNECT"}, {LiftECDSA, "needs HTTP and CONNECT"}, {Pass, "needs HTTP and CONNECT"}, {Mail, "does no mail"},
		},
		prepare: prepareSquid,
	},
}

// findStreamModule names nginx's module for stream, where it is not built in.
func findStreamModule(_ context.Context, v *values) error {
	const file = "ngx_stream_module.so"
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/etc/nginx/modules"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			v.Module = filepath.Join(dir, file)
			return nil
		}
	}
	return nil // then it is built in, or nginx says so
}
