package fakem365

import (
	"context"
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

// maxLegacyAnswer bounds what a legacy client reads.
const maxLegacyAnswer = 1 << 20

// GetLegacy fetches an https URL as a device made before about 2012 does: it
// opens with a ClientHello in SSLv2 format (RFC 5246 appendix E.2), and has
// TLS 1.0, RSA key exchange and AES-128-CBC only. Of the client's fields only
// Proxy, Address, Roots and Timeout matter. The answer comes with its header. A
// refusal by an alert is a tls.AlertError.
func (c *Client) GetLegacy(ctx context.Context, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("reading the URL: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	conn, err := c.reach(ctx, net.JoinHostPort(u.Hostname(), "443"))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", fmt.Errorf("limiting the connection: %w", err)
		}
	}
	l := &legacyConn{conn: conn, roots: c.Roots, host: u.Hostname(), md5: md5.New(), sha1: sha1.New()} //nolint:gosec // as above
	if err := l.handshake(); err != nil {
		return "", err
	}
	return l.get(u.Path)
}

// A legacyConn is a TLS 1.0 client's connection.
type legacyConn struct {
	conn      net.Conn
	roots     *x509.CertPool
	host      string
	md5, sha1 digest.Hash // of the handshake

	clientRandom, serverRandom [32]byte
	serverKey                  *rsa.PublicKey
	master                     []byte
	messages                   []byte // read and not looked at yet
	in, out                    *legacyKeys
}

func (l *legacyConn) handshake() error {
	if err := l.sendHello(); err != nil {
		return err
	}
	for _, step := range []func() error{l.readServerHello, l.readCertificate, l.readHelloDone, l.sendKeys, l.readFinished} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (l *legacyConn) hash(message []byte) {
	l.md5.Write(message)
	l.sha1.Write(message)
}

// sendHello offers AES-128-CBC with RSA key exchange in SSLv2 format; the
// challenge is the random value.
func (l *legacyConn) sendHello() error {
	_, _ = rand.Read(l.clientRandom[:]) // it never fails
	body := []byte{1, 3, 1, 0, 3, 0, 0, 0, 32, 0, 0, 0x2f}
	body = append(body, l.clientRandom[:]...)
	l.hash(body)
	_, err := l.conn.Write(append([]byte{0x80, byte(len(body))}, body...)) //nolint:gosec // 44 bytes
	return err
}

// readMessage reads a handshake message, which has to be of a type.
func (l *legacyConn) readMessage(typ byte) ([]byte, error) {
	for len(l.messages) < 4 || len(l.messages) < l.messageLen() {
		got, body, err := l.readRecord()
		if err != nil {
			return nil, err
		}
		if got != 22 || len(l.messages) > maxLegacyAnswer {
			return nil, fmt.Errorf("got a record of type %d in a handshake", got)
		}
		l.messages = append(l.messages, body...)
	}
	message := l.messages[:l.messageLen()]
	l.messages = l.messages[l.messageLen():]
	if message[0] != typ {
		return nil, fmt.Errorf("got handshake message %d in the place of %d", message[0], typ)
	}
	return message, nil
}

func (l *legacyConn) messageLen() int { return 4 + int(binary.BigEndian.Uint32(l.messages)&0xffffff) }

func (l *legacyConn) readServerHello() error {
	message, err := l.readMessage(2)
	if err != nil {
		return err
	}
	l.hash(message)
	if len(message) < 4+2+32+1 {
		return errors.New("got a short ServerHello")
	}
	copy(l.serverRandom[:], message[6:])
	rest := message[4+2+32:]
	if version := binary.BigEndian.Uint16(message[4:]); version != 0x0301 || len(rest) < 1+int(rest[0])+2 ||
		binary.BigEndian.Uint16(rest[1+int(rest[0]):]) != 0x002f {
		return errors.New("the ServerHello is not for TLS 1.0 with AES-128")
	}
	return nil
}

func (l *legacyConn) readCertificate() error {
	message, err := l.readMessage(11)
	if err != nil {
		return err
	}
	l.hash(message)
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
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: l.host, Roots: l.roots}); err != nil {
		return fmt.Errorf("verifying the certificate: %w", err)
	}
	key, is := leaf.PublicKey.(*rsa.PublicKey)
	if !is {
		return errors.New("the certificate's key is not an RSA key")
	}
	l.serverKey = key
	return nil
}

func (l *legacyConn) readHelloDone() error {
	message, err := l.readMessage(14)
	if err == nil {
		l.hash(message)
	}
	return err
}

// sendKeys sends the premaster secret, and Finished.
func (l *legacyConn) sendKeys() error {
	premaster := make([]byte, 48)
	_, _ = rand.Read(premaster) // it never fails
	binary.BigEndian.PutUint16(premaster, 0x0301)
	//lint:ignore SA1019 RFC 5246 section 7.4.7.1
	secret, err := rsa.EncryptPKCS1v15(rand.Reader, l.serverKey, premaster) //nolint:staticcheck // RFC 2246 section 7.4.7.1
	if err != nil {
		return fmt.Errorf("encrypting the premaster secret: %w", err)
	}
	exchange := []byte{16, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(exchange[2:], uint16(len(secret)+2)) //nolint:gosec // an RSA key's length
	binary.BigEndian.PutUint16(exchange[4:], uint16(len(secret)))   //nolint:gosec // likewise
	exchange = append(exchange, secret...)
	l.hash(exchange)
	l.master = prf10(premaster, "master secret", l.clientRandom[:], l.serverRandom[:])[:48]
	if err := l.write(22, exchange); err != nil {
		return err
	}
	if err := l.write(20, []byte{1}); err != nil {
		return err
	}
	if l.in, l.out, err = l.keys(); err != nil {
		return err
	}
	// The server's ChangeCipherSpec comes in plaintext.
	in := l.in
	l.in = nil
	defer func() { l.in = in }()
	finished := append([]byte{20, 0, 0, 12}, l.finished("client finished")...)
	l.hash(finished)
	if err := l.write(22, finished); err != nil {
		return err
	}
	typ, _, err := l.readRecord()
	if err == nil && typ != 20 {
		err = fmt.Errorf("got a record of type %d in the place of ChangeCipherSpec", typ)
	}
	return err
}

func (l *legacyConn) finished(label string) []byte {
	return prf10(l.master, label, l.md5.Sum(nil), l.sha1.Sum(nil))[:12]
}

func (l *legacyConn) readFinished() error {
	want := l.finished("server finished")
	message, err := l.readMessage(20)
	if err != nil {
		return err
	}
	if !hmac.Equal(message[4:], want) {
		return errors.New("the server's Finished does not verify")
	}
	return nil
}

func (l *legacyConn) keys() (in, out *legacyKeys, err error) {
	block := prf10(l.master, "key expansion", l.serverRandom[:], l.clientRandom[:])
	client, err := aes.NewCipher(block[40:56])
	if err != nil {
		return nil, nil, err
	}
	server, err := aes.NewCipher(block[56:72])
	out = &legacyKeys{mac: block[:20], cbc: cipher.NewCBCEncrypter(client, block[72:88])}
	in = &legacyKeys{mac: block[20:40], cbc: cipher.NewCBCDecrypter(server, block[88:104])}
	return in, out, err
}

func (l *legacyConn) get(path string) (string, error) {
	if err := l.write(23, fmt.Appendf(nil, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, l.host)); err != nil {
		return "", fmt.Errorf("asking: %w", err)
	}
	var answer []byte
	for len(answer) < maxLegacyAnswer {
		typ, data, err := l.readRecord()
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
