package proxy

import (
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/policy"
	"github.com/tlslift/tlslift/proxy/record"
)

// IMAP has an idle timeout of its own, passed or lifted, on whatever listener.
func TestIdleTimeoutOfProtocol(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		protocol   record.Protocol
		port       uint16
		idle, imap time.Duration
		want       time.Duration
	}{
		{record.ProtocolTLS, 443, 10 * time.Minute, 30 * time.Minute, 10 * time.Minute},
		{record.ProtocolSMTP, 587, 10 * time.Minute, 30 * time.Minute, 10 * time.Minute},
		{record.ProtocolPOP3, 995, 10 * time.Minute, 30 * time.Minute, 10 * time.Minute},
		{record.ProtocolIMAP, 143, 10 * time.Minute, 30 * time.Minute, 30 * time.Minute},
		{record.ProtocolIMAP, 1993, 10 * time.Minute, 30 * time.Minute, 30 * time.Minute},
		{record.ProtocolTLS, 993, 10 * time.Minute, 30 * time.Minute, 30 * time.Minute}, // CONNECT
		{record.ProtocolIMAP, 993, time.Hour, 30 * time.Minute, time.Hour},
		{record.ProtocolIMAP, 993, time.Minute, 0, time.Minute},
	} {
		c := conn{
			rec: &record.Record{Protocol: tt.protocol}, idle: tt.idle, imapIdle: tt.imap,
			out: &outbound{destination: policy.Destination{Host: "x", Port: tt.port}},
		}
		if got := c.idleTimeout(); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}
