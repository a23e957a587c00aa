package cost

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/tlslift/tlslift/proxy/testenv"
)

// peersRole is set in the environment of the process that is the clients and the
// destination.
const peersRole = "TLSLIFT_TEST_COST_PEERS"

func TestMain(m *testing.M) {
	if os.Getenv(peersRole) == "" {
		os.Exit(m.Run())
	}
	if err := runPeers(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "clients and destination:", err)
		os.Exit(1)
	}
}

const host = "outlook.office365.com"

// A setting is the first thing that the peers are told.
type setting struct {
	Certificate, Key []byte // of the destination, in PEM
	Root             []byte // that the clients trust, in PEM
}

// A task is what the clients are told to do.
type task struct {
	Do      string // connect, open, upload, download or close
	Kind    kind
	Address string // of tlslift
	N       int    // how many connections, or blocks
	// Clients is how many clients a balancer has, in whose PROXY header they are; zero
	// means that there is none.
	Clients int
	First   int // the number of the first client
}

// A kind is a kind of connection.
type kind string

const (
	lifted  kind = "lifted"  // TLS 1.0, a full handshake
	resumed kind = "resumed" // TLS 1.0, a resumed session
	passed  kind = "passed"  // TLS 1.2, full
)

// blockSize is how much is sent at once, up or down.
const blockSize = 1 << 20

// config returns the TLS of the clients of a kind.
func (k kind) config(root []byte) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	c := &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}
	switch k {
	case passed:
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	case resumed:
		c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		fallthrough
	case lifted:
		c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
	}
	return c
}

// runPeers does what it is told, until the end of its input.
func runPeers(in io.Reader, out io.Writer) error {
	from, to := json.NewDecoder(in), json.NewEncoder(out)
	var s setting
	if err := from.Decode(&s); err != nil {
		return err
	}
	certificate, err := tls.X509KeyPair(s.Certificate, s.Key)
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
	at, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return err
	}
	go serve(at)
	if err := to.Encode(at.Addr().String()); err != nil {
		return err
	}
	c := clients{configs: map[kind]*tls.Config{}}
	for _, k := range []kind{lifted, resumed, passed} {
		pem := s.Root
		if k == passed {
			pem = s.Certificate // it is its own root
		}
		c.configs[k] = k.config(pem)
	}
	for {
		var t task
		if err := from.Decode(&t); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer := ""
		if err := c.do(t); err != nil {
			answer = fmt.Sprintf("%+v: %v", t, err)
		}
		if err := to.Encode(answer); err != nil {
			return err
		}
	}
}

// serve is the destination.
func serve(at net.Listener) {
	for {
		conn, err := at.Accept()
		if err != nil {
			return
		}
		go answer(conn)
	}
}

// answer reads a number and a block, and sends as many blocks as the number says, or else
// a byte.
func answer(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, blockSize)
	block := make([]byte, blockSize)
	for {
		var want, sent uint32
		if binary.Read(r, binary.BigEndian, &want) != nil || binary.Read(r, binary.BigEndian, &sent) != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, r, int64(sent)); err != nil {
			return
		}
		if _, err := conn.Write(block[:max(1, want)]); err != nil {
			return
		}
	}
}

// clients are all clients.
type clients struct {
	configs map[kind]*tls.Config
	open    *tls.Conn
	// hasSession means that there is one to resume.
	hasSession bool
}

func (c *clients) do(t task) (err error) {
	block := make([]byte, blockSize)
	switch t.Do {
	case "connect":
		for i := range t.N {
			if err := c.connect(t, t.First+i); err != nil {
				return err
			}
		}
	case "open":
		c.open, err = c.dial(t, 0)
	case "upload":
		for range t.N {
			if err := exchange(c.open, block, block[:1]); err != nil {
				return err
			}
		}
	case "download":
		for range t.N {
			if err := exchange(c.open, nil, block); err != nil {
				return err
			}
		}
	case "close":
		err = c.open.Close()
	}
	return err
}

// connect makes a connection with one small exchange.
func (c *clients) connect(t task, i int) error {
	conn, err := c.dial(t, i)
	if err != nil {
		return err
	}
	defer conn.Close()
	if got, want := conn.ConnectionState().DidResume, t.Kind == resumed && c.hasSession; got != want {
		return fmt.Errorf("the session is resumed: %v", got)
	}
	c.hasSession = c.hasSession || t.Kind == resumed
	return exchange(conn, make([]byte, 100), make([]byte, 100))
}

// dial makes the connection of the i-th client.
func (c *clients) dial(t task, i int) (*tls.Conn, error) {
	raw, err := net.Dial("tcp", t.Address)
	if err != nil {
		return nil, err
	}
	if err := raw.SetDeadline(time.Now().Add(testenv.Patience)); err != nil {
		return nil, err
	}
	if t.Clients > 0 {
		if _, err := fmt.Fprintf(raw, "PROXY TCP4 %s 192.0.2.1 1000 443\r\n", clientAddr(i%t.Clients)); err != nil {
			return nil, err
		}
	}
	conn := tls.Client(raw, c.configs[t.Kind])
	return conn, conn.Handshake()
}

func clientAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// exchange sends a block and reads another one.
func exchange(conn net.Conn, send, receive []byte) error {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(receive)))
	head = binary.BigEndian.AppendUint32(head, uint32(len(send)))
	if _, err := conn.Write(append(head, send...)); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, receive)
	return err
}

// peers is the process of the clients and the destination.
type peers struct {
	destination string // its address
	tell        *json.Encoder
	hear        *json.Decoder
}

// startPeers starts it, until the end of the test.
func startPeers(t testing.TB, s setting) *peers {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), peersRole+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _, _ = in.Close(), cmd.Wait() })
	p := &peers{tell: json.NewEncoder(in), hear: json.NewDecoder(out)}
	must(t, p.tell.Encode(s))
	must(t, p.hear.Decode(&p.destination))
	return p
}

// do has the clients do something.
func (p *peers) do(t testing.TB, what task) {
	t.Helper()
	must(t, p.tell.Encode(what))
	var answer string
	must(t, p.hear.Decode(&answer))
	if answer != "" {
		t.Fatal(answer)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
