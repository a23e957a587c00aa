package mailcheck

import (
	"context"
	"net"

	"github.com/tlslift/tlslift/proxy/netname"
	"github.com/tlslift/tlslift/proxy/record"
)

// StartTLS reads the greeting of a mail server on conn, and asks for TLS. It returns the
// greeting. The caller goes on with the handshake, and closes the connection.
func StartTLS(ctx context.Context, conn net.Conn, protocol record.Protocol) (greeting string, err error) {
	s := &session{chain: &chain{Options: Options{Protocol: protocol}}, talk: newTalk(conn)}
	defer s.talk.begin(ctx)()
	r, err := s.talk.read(s.dialect(), "")
	if err == nil && !r.ok {
		err = rejected(r)
	}
	if err != nil {
		return "", err
	}
	return netname.Text(r.last(), maxShown), s.startTLS()
}
