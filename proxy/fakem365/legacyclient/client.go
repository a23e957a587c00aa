// Package legacyclient is a client as old as a device made before about 2012: it
// opens with a ClientHello in SSLv2 format (RFC 5246 appendix E.2), and has TLS 1.0,
// RSA key exchange and AES-128-CBC only.
//
// It is for the demo and the tests, and hides no timing.
package legacyclient

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // what clients of that time have
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what clients of that time have
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	digest "hash"
	"io"
	"net"
	"net/url"
)

// maxAnswer bounds what a client reads.
const maxAnswer = 1 << 20

// Get fetches the page at u over conn, and returns the answer with its header.
// The server's certificate is verified for u's host below roots; nil means the
// system's. A refusal by an alert is a tls.AlertError.
func Get(conn net.Conn, u *url.URL, roots *x509.CertPool) (string, error) {
	c := &connection{conn: conn, roots: roots, host: u.Hostname(), md5: md5.New(), sha1: sha1.New()} //nolint:gosec // as above
	if err := c.handshake(); err != nil {
		return "", err
	}
	return c.get(u.Path)
}

// A connection is one of a TLS 1.0 client.
type connection struct {
	conn      net.Conn
	roots     *x509.CertPool
	host      string
	md5, sha1 digest.Hash // of the handshake

	clientRandom, serverRandom [32]byte
	serverKey                  *rsa.PublicKey
	master                     []byte
	messages                   []byte // read and not looked at yet
	in, out                    *keys
}

func (c *connection) handshake() error {
	if err := c.sendHello(); err != nil {
		return err
	}
	for _, step := range []func() error{c.readServerHello, c.readCertificate, c.readHelloDone, c.sendKeys, c.readFinished} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) hash(message []byte) {
	c.md5.Write(message)
	c.sha1.Write(message)
}

// sendHello offers AES-128-CBC with RSA key exchange in SSLv2 format; the
// challenge is the random value.
func (c *connection) sendHello() error {
	_, _ = rand.Read(c.clientRandom[:]) // it never fails
	body := []byte{1, 3, 1, 0, 3, 0, 0, 0, 32, 0, 0, 0x2f}
	body = append(body, c.clientRandom[:]...)
	c.hash(body)
	_, err := c.conn.Write(append([]byte{0x80, byte(len(body))}, body...)) //nolint:gosec // 44 bytes
	return err
}

// readMessage reads a handshake message, which has to be of a type.
func (c *connection) readMessage(typ byte) ([]byte, error) {
	for len(c.messages) < 4 || len(c.messages) < c.messageLen() {
		got, body, err := c.readRecord()
		if err != nil {
			return nil, err
		}
		if got != 22 || len(c.messages) > maxAnswer {
			return nil, fmt.Errorf("got a record of type %d in a handshake", got)
		}
		c.messages = append(c.messages, body...)
	}
	message := c.messages[:c.messageLen()]
	c.messages = c.messages[c.messageLen():]
	if message[0] != typ {
		return nil, fmt.Errorf("got handshake message %d in the place of %d", message[0], typ)
	}
	return message, nil
}

func (c *connection) messageLen() int { return 4 + int(binary.BigEndian.Uint32(c.messages)&0xffffff) }

func (c *connection) readServerHello() error {
	message, err := c.readMessage(2)
	if err != nil {
		return err
	}
	c.hash(message)
	if len(message) < 4+2+32+1 {
		return errors.New("got a short ServerHello")
	}
	copy(c.serverRandom[:], message[6:])
	rest := message[4+2+32:]
	if version := binary.BigEndian.Uint16(message[4:]); version != 0x0301 || len(rest) < 1+int(rest[0])+2 ||
		binary.BigEndian.Uint16(rest[1+int(rest[0]):]) != 0x002f {
		return errors.New("the ServerHello is not for TLS 1.0 with AES-128")
	}
	return nil
}

func (c *connection) readCertificate() error {
	message, err := c.readMessage(11)
	if err != nil {
		return err
	}
	c.hash(message)
	if len(message) < 10 {
		return errors.New("got no certificate")
	}
	size := int(binary.BigEndian.Uint32(message[6:]) & 0xffffff)
	if len(message) < 10+size {
		return errors.New("got a short certificate")
	}
	leaf, err := x509.ParseCertificate(message[10 : 10+size])
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: c.host, Roots: c.roots}); err != nil {
		return fmt.Errorf("verifying the certificate: %w", err)
	}
	key, is := leaf.PublicKey.(*rsa.PublicKey)
	if !is {
		return errors.New("the certificate's key is not an RSA key")
	}
	c.serverKey = key
	return nil
}

func (c *connection) readHelloDone() error {
	message, err := c.readMessage(14)
	if err == nil {
		c.hash(message)
	}
	return err
}

// sendKeys sends the premaster secret, and Finished.
func (c *connection) sendKeys() error {
	premaster := make([]byte, 48)
	_, _ = rand.Read(premaster) // it never fails
	binary.BigEndian.PutUint16(premaster, 0x0301)
	//lint:ignore SA1019 RFC 5246 section 7.4.7.1
	secret, err := rsa.EncryptPKCS1v15(rand.Reader, c.serverKey, premaster) //nolint:staticcheck // RFC 2246 section 7.4.7.1
	if err != nil {
		return fmt.Errorf("encrypting the premaster secret: %w", err)
	}
	exchange := []byte{16, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(exchange[2:], uint16(len(secret)+2)) //nolint:gosec // an RSA key's length
	binary.BigEndian.PutUint16(exchange[4:], uint16(len(secret)))   //nolint:gosec // likewise
	exchange = append(exchange, secret...)
	c.hash(exchange)
	c.master = prf10(premaster, "master secret", c.clientRandom[:], c.serverRandom[:])[:48]
	if err := c.write(22, exchange); err != nil {
		return err
	}
	if err := c.write(20, []byte{1}); err != nil {
		return err
	}
	if c.in, c.out, err = c.deriveKeys(); err != nil {
		return err
	}
	// The server's ChangeCipherSpec comes in plaintext.
	in := c.in
	c.in = nil
	defer func() { c.in = in }()
	finished := append([]byte{20, 0, 0, 12}, c.finished("client finished")...)
	c.hash(finished)
	if err := c.write(22, finished); err != nil {
		return err
	}
	typ, _, err := c.readRecord()
	if err == nil && typ != 20 {
		err = fmt.Errorf("got a record of type %d in the place of ChangeCipherSpec", typ)
	}
	return err
}

func (c *connection) finished(label string) []byte {
	return prf10(c.master, label, c.md5.Sum(nil), c.sha1.Sum(nil))[:12]
}

func (c *connection) readFinished() error {
	want := c.finished("server finished")
	message, err := c.readMessage(20)
	if err != nil {
		return err
	}
	if !hmac.Equal(message[4:], want) {
		return errors.New("the server's Finished does not verify")
	}
	return nil
}

func (c *connection) deriveKeys() (in, out *keys, err error) {
	block := prf10(c.master, "key expansion", c.serverRandom[:], c.clientRandom[:])
	client, err := aes.NewCipher(block[40:56])
	if err != nil {
		return nil, nil, err
	}
	server, err := aes.NewCipher(block[56:72])
	out = &keys{mac: block[:20], cbc: cipher.NewCBCEncrypter(client, block[72:88])}
	in = &keys{mac: block[20:40], cbc: cipher.NewCBCDecrypter(server, block[88:104])}
	return in, out, err
}

func (c *connection) get(path string) (string, error) {
	if err := c.write(23, fmt.Appendf(nil, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, c.host)); err != nil {
		return "", fmt.Errorf("asking: %w", err)
	}
	var answer []byte
	for len(answer) < maxAnswer {
		typ, data, err := c.readRecord()
		if errors.Is(err, io.EOF) || typ == 21 {
			break
		}
		if err != nil {
			return "", err
		}
		answer = append(answer, data...)
	}
	return string(answer), nil
}
