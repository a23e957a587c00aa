package mail

import (
	"net"
	"time"

	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/relay"
)

// Resume goes on inside the client's TLS, or without it for a client in
// plaintext, to the point from which both sides are relayed: it returns the two,
// and how many bytes of the client have been sent to the destination already. The
// destination's side must be secured.
//
// The error is a *record.Failure. A client that closes inside its TLS, which is an
// ordinary end, has the reason closed_before_tls.
func (s *Session) Resume(client net.Conn) (down, up net.Conn, sent int64, err error) {
	down = client
	if s.Protocol == record.ProtocolSMTP {
		s.meter = &replyMeter{}
		down = metered{client, s.meter}
	}
	if s.client != clientPlaintext {
		s.inside = relay.NewConn(down)
		if err := s.resume(s.insideSide()); err != nil {
			return nil, nil, 0, err
		}
		down = s.inside
	}
	if err := s.sendPending(); err != nil {
		return down, s.up, 0, record.Fail(record.ReasonRelayBroken, err)
	}
	return down, s.up, int64(len(s.pending)), nil
}

// resume is what comes first inside the client's TLS: the greeting if the client
// has had none and, with SMTP, an EHLO. A client that does not repeat its EHLO
// after STARTTLS gets one on its behalf, since the destination knows nothing of
// the first (RFC 3207 section 4.2); a name in it that servers reject is adapted.
func (s *Session) resume(client *side) error {
	defer client.clear()
	if s.greeting.lines != nil {
		if err := s.greetClient(client); err != nil {
			return err
		}
	}
	if s.Protocol != record.ProtocolSMTP {
		return nil
	}
	up := s.upstreamSide()
	defer up.clear()
	if err := client.begin(); err != nil {
		return err
	}
	line, err := client.line()
	if err != nil {
		return err
	}
	s.pending = append(append(s.pending, line...), "\r\n"...)
	cmd := s.parse(line)
	if cmd.kind != hello {
		return s.introduce(up)
	}
	s.pending = nil
	r, err := s.ask(up, cmd)
	if err != nil {
		return err
	}
	return client.write(r.bytes())
}

// sendPending sends the command that the destination has not had.
func (s *Session) sendPending() error {
	if len(s.pending) == 0 {
		return nil
	}
	if err := s.up.SetWriteDeadline(time.Now().Add(s.Timeout)); err != nil {
		return err
	}
	if _, err := s.up.Write(s.pending); err != nil {
		return err
	}
	return s.up.SetWriteDeadline(time.Time{})
}

// Replies returns what an SMTP destination has replied in a lifted session: each
// code with its count, the last negative one, and the reason for which the mail
// was rejected, as far as it is known; nothing for other protocols.
func (s *Session) Replies() (counts []record.SMTPReply, negative string, reason record.Reason) {
	if s.meter == nil {
		return nil, "", ""
	}
	return s.meter.counts, s.meter.negative, s.meter.reason
}
