package upstream

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// An answer is what the test name server says about a name.
type answer struct {
	addresses []string
	code      dnsmessage.RCode
	silent    func() // called in place of answering
}

// nameServer returns a resolver whose name server knows only names, each
// without trailing dot; any other does not exist.
func nameServer(t *testing.T, names map[string]answer) *net.Resolver {
	t.Helper()
	server, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { answerQueries(server, names) })
	t.Cleanup(func() {
		server.Close()
		running.Wait()
	})
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
		},
	}
}

func answerQueries(server net.PacketConn, names map[string]answer) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := server.ReadFrom(buffer)
		if err != nil {
			return
		}
		var message dnsmessage.Message
		if err := message.Unpack(buffer[:n]); err != nil || len(message.Questions) != 1 {
			continue
		}
		question := message.Questions[0]
		name := question.Name.String()
		known, exists := names[name[:len(name)-1]]
		switch {
		case known.silent != nil:
			known.silent()
			continue
		case !exists:
			known.code = dnsmessage.RCodeNameError
		}
		message.Response, message.RCode = true, known.code
		message.RecursionAvailable = true
		message.Additionals = nil
		message.Answers = records(question, known.addresses)
		if packed, err := message.Pack(); err == nil {
			_, _ = server.WriteTo(packed, from)
		}
	}
}

func records(question dnsmessage.Question, addresses []string) []dnsmessage.Resource {
	var all []dnsmessage.Resource
	for _, text := range addresses {
		address := netip.MustParseAddr(text)
		header := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 60}
		switch {
		case address.Is4() && question.Type == dnsmessage.TypeA:
			all = append(all, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: address.As4()}})
		case address.Is6() && question.Type == dnsmessage.TypeAAAA:
			all = append(all, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: address.As16()}})
		}
	}
	return all
}
