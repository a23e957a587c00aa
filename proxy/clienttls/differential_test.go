package clienttls

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/clienthello"
	"github.com/tlslift/tlslift/proxy/decide"
	"github.com/tlslift/tlslift/proxy/localca"
	"github.com/tlslift/tlslift/proxy/relay"
	"github.com/tlslift/tlslift/proxy/testenv"
	"github.com/tlslift/tlslift/proxy/ticketkeys"
)

var (
	mutations = flag.Int("mutations", 1000, "how many mutated hellos TestLikeOpenSSL sends")
	seed      = flag.Uint64("seed", 1, "what its mutations depend on")
)

// A flight is a ClientHello taken apart.
type flight struct {
	record, version               uint16
	random                        []byte
	session, suites, compressions []byte
	extensions                    []extension
	bare                          bool // without a block of extensions
	grain                         int  // bytes in a record; zero means that one record has it all
}

type extension struct {
	id   uint16
	body []byte
}

// cut returns what follows its length in so many bytes, and the rest.
func cut(b []byte, n int) (value, rest []byte) {
	size := 0
	for _, c := range b[:n] {
		size = size<<8 | int(c)
	}
	return b[n : n+size], b[n+size:]
}

// takeApart reads a good hello.
func takeApart(b []byte) flight {
	f := flight{record: binary.BigEndian.Uint16(b[1:]), version: binary.BigEndian.Uint16(b[9:]), random: b[11:43]}
	var rest, block []byte
	f.session, rest = cut(b[43:], 1)
	f.suites, rest = cut(rest, 2)
	f.compressions, rest = cut(rest, 1)
	if f.bare = len(rest) == 0; f.bare {
		return f
	}
	for block, _ = cut(rest, 2); len(block) > 0; {
		e := extension{id: binary.BigEndian.Uint16(block)}
		e.body, block = cut(block[2:], 2)
		f.extensions = append(f.extensions, e)
	}
	return f
}

func vec8(b []byte) []byte { return append([]byte{byte(len(b))}, b...) }

func vec16(b []byte) []byte { return append(u16(uint16(len(b))), b...) }

func u16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

// wire puts it together again.
func (f flight) wire() []byte {
	body := slices.Concat(u16(f.version), f.random, vec8(f.session), vec16(f.suites), vec8(f.compressions))
	var block []byte
	for _, e := range f.extensions {
		block = slices.Concat(block, u16(e.id), vec16(e.body))
	}
	if !f.bare {
		body = append(body, vec16(block)...)
	}
	message := append([]byte{1, 0}, vec16(body)...)
	var all []byte
	grain := f.grain
	if grain == 0 {
		grain = len(message)
	}
	for part := range slices.Chunk(message, grain) {
		all = slices.Concat(all, []byte{22}, u16(f.record), vec16(part))
	}
	return all
}

// A mutation changes one thing, and keeps the lengths around it right.
type mutation func(r *rand.Rand, f *flight)

// change makes one change to bytes: another value, one bit, fewer or more.
func change(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	switch r.IntN(4) {
	case 0:
		return append(b, byte(r.IntN(256)))
	case 1:
		return b[:r.IntN(len(b)+1)]
	}
	if len(b) == 0 {
		return b
	}
	at := r.IntN(len(b))
	if r.IntN(2) == 0 {
		b[at] = []byte{0, 1, 2, 0x7f, 0x80, 0xff, byte(r.IntN(256))}[r.IntN(7)]
	} else {
		b[at] ^= 1 << r.IntN(8)
	}
	return b
}

// some returns a part of the numbers of two bytes in a list, in another order.
func some(r *rand.Rand, list []byte) []byte {
	pairs := slices.Collect(slices.Chunk(list, 2))
	r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	return slices.Concat(pairs[:r.IntN(len(pairs)+1)]...)
}

// onExtension makes a mutation of what happens to one extension.
func onExtension(do func(r *rand.Rand, f *flight, at int)) mutation {
	return func(r *rand.Rand, f *flight) {
		if len(f.extensions) > 0 {
			do(r, f, r.IntN(len(f.extensions)))
		}
	}
}

var known = []uint16{0, 1, 5, 10, 11, 13, 15, 16, 18, 21, 22, 23, 35, 43, 50, 0x3374, 0xff01, 0x1234, 0x0a0a}

var allMutations = []mutation{
	onExtension(func(r *rand.Rand, f *flight, at int) { f.extensions[at].body = change(r, f.extensions[at].body) }),
	onExtension(func(r *rand.Rand, f *flight, at int) { f.extensions[at].body = change(r, f.extensions[at].body) }),
	onExtension(func(_ *rand.Rand, f *flight, at int) { f.extensions[at].body = nil }),
	onExtension(func(_ *rand.Rand, f *flight, at int) { f.extensions = append(f.extensions, f.extensions[at]) }),
	onExtension(func(_ *rand.Rand, f *flight, at int) { f.extensions = slices.Delete(f.extensions, at, at+1) }),
	onExtension(func(r *rand.Rand, f *flight, at int) { f.extensions[at].id = known[r.IntN(len(known))] }),
	onExtension(func(r *rand.Rand, f *flight, at int) { // a list that is shorter
		if body := f.extensions[at].body; len(body) > 4 && len(body)%2 == 0 {
			f.extensions[at].body = vec16(some(r, body[2:]))
		}
	}),
	func(r *rand.Rand, f *flight) {
		f.extensions = append(f.extensions, extension{known[r.IntN(len(known))], change(r, []byte{0, 2, 0, 23})})
	},
	func(r *rand.Rand, f *flight) { f.suites = some(r, f.suites) },
	func(r *rand.Rand, f *flight) { f.suites = change(r, f.suites) },
	func(r *rand.Rand, f *flight) { f.session = bytes.Repeat([]byte{7}, r.IntN(35)) },
	func(r *rand.Rand, f *flight) { f.compressions = change(r, f.compressions) },
	func(r *rand.Rand, f *flight) { f.grain = 1 + r.IntN(60) },
	func(r *rand.Rand, f *flight) {
		f.record = []uint16{0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x03ff, 0x0200}[r.IntN(7)]
	},
	func(r *rand.Rand, f *flight) {
		f.version = []uint16{0x0301, 0x0302, 0x0303, 0x0304, 0x0305, 0x0400}[r.IntN(6)]
	},
	func(_ *rand.Rand, f *flight) { f.bare = true },
}

// mutate makes one to four changes; sometimes one that leaves the lengths wrong.
func mutate(r *rand.Rand, f flight) []byte {
	f.extensions = slices.Clone(f.extensions)
	for range 1 + r.IntN(4) {
		allMutations[r.IntN(len(allMutations))](r, &f)
	}
	b := f.wire()
	if r.IntN(10) == 0 {
		at := 5 + r.IntN(len(b)-5)
		b[at] ^= 1 << r.IntN(8)
	}
	return b
}

// isServed reports whether an answer is a server's whole first flight.
func isServed(answer io.Reader) bool {
	var messages []byte
	for {
		header := make([]byte, 5)
		if _, err := io.ReadFull(answer, header); err != nil {
			return false
		}
		data := make([]byte, binary.BigEndian.Uint16(header[3:]))
		if _, err := io.ReadFull(answer, data); err != nil {
			return false
		}
		switch {
		case header[0] == 22:
			messages = append(messages, data...)
		case header[0] != 21 || len(data) != 2 || data[0] != 1:
			return false
		}
		for len(messages) >= 4 {
			size := 4 + int(messages[1])<<16 + int(messages[2])<<8 + int(messages[3])
			if len(messages) < size {
				break
			}
			if messages[0] == 14 { // ServerHelloDone
				return true
			}
			messages = messages[size:]
		}
	}
}

// A tape is a client that says one thing, and ends.
type tape struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *tape) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *tape) Close() error                { return nil }

// serves reports whether a client that is to be lifted gets an answer, and whether it
// offers TLS 1.3.
func (s *Server) serves(leaf *tls.Certificate, hello []byte) (served, tls13 bool) {
	on := &tape{in: bytes.NewReader(hello)}
	conn := relay.NewConn(on)
	defer conn.Release()
	h, err := clienthello.Peek(conn)
	if err != nil {
		return false, false
	}
	tls13 = h.Offers(tls.VersionTLS13)
	d := decide.Decide(h, decide.Circumstance{RefusedBefore: true})
	if d.Action != decide.Lift {
		return false, tls13
	}
	_, _ = s.Handshake(context.Background(), conn, Client{Hello: h, Stack: d.Stack}, leaf)
	return isServed(&on.out), tls13
}

// ask reports whether the server at an address answers a hello.
func ask(t *testing.T, address string, hello []byte) bool {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testenv.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(hello); err != nil {
		return false
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return false
	}
	return isServed(conn)
}

// recordedHellos are those of the samples, and what openssl sends today.
func recordedHellos(t *testing.T) []flight {
	t.Helper()
	var all []flight
	for _, name := range []string{
		"openssl-1.0.0-default", "openssl-1.0.1-default", "openssl-1.0.2-default", "gnutls-3.7-tls10", "java17-tls10",
	} {
		b, err := os.ReadFile(filepath.Join("..", "clienthello", "testdata", name+".bin"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, takeApart(b))
	}
	said := make(chan []byte, 1)
	address := testenv.Serve(t, func(conn net.Conn) {
		b := make([]byte, 4096)
		n, _ := conn.Read(b)
		said <- b[:n]
	})
	for _, more := range [][]string{
		{"-alpn", "imap,http/1.1", "-status", "-maxfraglen", "1024"},
		{"-no_ticket", "-noservername", "-groups", "P-256:P-384"},
	} {
		args := []string{"s_client", "-connect", address.String(), "-tls1_2", "-cipher", "ALL:@SECLEVEL=0"}
		_ = exec.Command("openssl", append(args, more...)...).Run() // nobody answers
		all = append(all, takeApart(<-said))
	}
	return all
}

// startOpenSSL starts openssl's server as lenient as it can be, with the suites and
// groups that we have.
func startOpenSSL(t *testing.T, leaf *tls.Certificate) (address string) {
	t.Helper()
	p := testenv.Program{Address: testenv.FreeAddress(t)}
	p.Run(t, "openssl", "s_server", "-accept", p.Address, "-www", "-quiet", "-no_ssl3", "-no_tls1_3", "-min_protocol", "TLSv1",
		"-cipher", "kRSA+AES:kECDHE+AES:kDHE+AES:CHACHA20:!AESCCM:!aNULL:!aECDSA:!aDSS:!PSK:@SECLEVEL=0",
		"-groups", "P-256:X25519:P-384:P-521",
		"-cert", testenv.WriteFile(t, "cert.pem", testenv.CertificatePEM(leaf.Leaf)),
		"-key", testenv.WriteFile(t, "key.pem", testenv.KeyPEM(t, leaf.PrivateKey.(crypto.Signer))))
	return p.Address
}

// Whatever TLS 1.2 and older hello OpenSSL 3 serves at its most lenient, we serve:
// recorded ones, and mutations of them.
func TestLikeOpenSSL(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	template := testenv.Template("outlook.office365.com", "outlook.office365.com")
	leaf := testenv.SelfSigned(t, template, testenv.RSAKey(t, 0))
	address := startOpenSSL(t, &leaf)
	keys, err := ticketkeys.Open(ticketkeys.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{CA: &localca.CA{}, Tickets: keys, Timeout: testenv.Patience})
	r := rand.New(rand.NewPCG(*seed, 0))
	originals := recordedHellos(t)
	var both, ours, neither, other int
	for i := range len(originals) + *mutations {
		hello := originals[i%len(originals)].wire()
		if i >= len(originals) {
			hello = mutate(r, originals[i%len(originals)])
		}
		we, tls13 := s.serves(&leaf, hello)
		they := ask(t, address, hello)
		switch {
		case tls13:
			other++
		case we && they:
			both++
		case we:
			ours++
		case they:
			t.Errorf("OpenSSL serves %s, and we do not", hex.EncodeToString(hello))
		default:
			neither++
		}
	}
	t.Logf("both serve %d hellos, only we %d, neither %d; %d offer TLS 1.3", both, ours, neither, other)
	if both < len(originals)+*mutations/4 {
		t.Errorf("both serve %d hellos only", both)
	}
}
