package entra

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tlslift/tlslift/proxy/atomicfile"
	"github.com/tlslift/tlslift/proxy/record"
	"github.com/tlslift/tlslift/proxy/secretfile"
)

const (
	// loginMagic begins a file with a sign-in. The version is in it.
	loginMagic = "tlslift sign-in 1\n"
	// maxLogin is how large such a file may be.
	maxLogin = 1 << 20
	keyBytes = 32
	// maxKeyFile is how large the file of the key may be.
	maxKeyFile = 4 << 10
)

// A store keeps the sign-ins of people in files of mode 0600, one for each account,
// encrypted with AES-256-GCM. The key is in a file of its own, which may be in another
// place: then a copy of the state directory alone gives nothing away.
type store struct {
	dir, keyFile string

	mu     sync.Mutex // one writer at a time
	frozen bool       // nothing is stored any more
}

// freeze stores nothing any more: another process does.
func (s *store) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = true
}

// A login is what is kept of one sign-in.
type login struct {
	Application string          `json:"application"`
	Tenant      string          `json:"tenant"`
	Cache       json.RawMessage `json:"cache"` // the library's, without access tokens
}

// path returns the file of an account. Its name has only characters that every file
// system takes.
func (s *store) path(account string) string {
	var name strings.Builder
	for _, c := range []byte(strings.ToLower(account)) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '@' || c == '.' || c == '-' || c == '_' {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02x", c)
		}
	}
	return filepath.Join(s.dir, "signin-"+name.String()+".login")
}

// load returns the sign-in of an account. The error is a *record.Failure.
func (s *store) load(account string) (login, error) {
	file := s.path(account)
	damaged := func(err error) (login, error) {
		return login{}, record.Fail(record.ReasonDelegatedLoginMissing,
			fmt.Errorf("%s cannot be used: %w; run tlslift login %s, which replaces it", file, err, account))
	}
	content, err := readCredential(file)
	if errors.Is(err, fs.ErrNotExist) {
		return login{}, record.Fail(record.ReasonDelegatedLoginMissing,
			fmt.Errorf("nobody has signed in as %s (there is no %s): run tlslift login", account, file))
	}
	if err != nil {
		return damaged(err)
	}
	key, err := s.key(false)
	if err != nil {
		return damaged(err)
	}
	l, err := open(key, account, content)
	if err != nil {
		return damaged(err)
	}
	return l, nil
}

// save stores the sign-in of an account.
func (s *store) save(account string, l login) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	key, err := s.key(true)
	if err != nil {
		return err
	}
	sealed, err := seal(key, account, l)
	if err != nil {
		return err
	}
	return atomicfile.Replace(s.path(account), sealed)
}

// key returns the key; make makes it if it is missing.
func (s *store) key(make bool) ([]byte, error) {
	content, err := secretfile.ReadPrivate(s.keyFile, maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) && make {
		return s.makeKey()
	}
	if err != nil {
		return nil, fmt.Errorf("reading its key: %w", err)
	}
	defer clear(content)
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(content)))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("the key file %s does not hold %d bytes in base64", s.keyFile, keyBytes)
	}
	return key, nil
}

func (s *store) makeKey() ([]byte, error) {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // it never fails
	content := base64.StdEncoding.EncodeToString(key) + "\n"
	if err := atomicfile.Create(s.keyFile, []byte(content), 0o600); err != nil {
		return nil, fmt.Errorf("making the key file: %w", err)
	}
	return key, atomicfile.SyncDir(filepath.Dir(s.keyFile))
}

// seal encrypts a sign-in. The account is bound to it, so that one file cannot be
// put in the place of another.
func seal(key []byte, account string, l login) ([]byte, error) {
	plain, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	return aead.Seal(append([]byte(loginMagic), nonce...), nonce, plain, bound(account)), nil
}

// open decrypts a sign-in.
func open(key []byte, account string, content []byte) (login, error) {
	sealed, is := strings.CutPrefix(string(content), loginMagic)
	aead, err := newAEAD(key)
	switch {
	case err != nil:
		return login{}, err
	case !is || len(sealed) < aead.NonceSize() || len(content) > maxLogin:
		return login{}, errors.New("it is damaged")
	}
	nonce, sealed := sealed[:aead.NonceSize()], sealed[aead.NonceSize():]
	plain, err := aead.Open(nil, []byte(nonce), []byte(sealed), bound(account))
	if err != nil {
		return login{}, errors.New("it is damaged, or was made with another key")
	}
	var l login
	if json.Unmarshal(plain, &l) != nil {
		return login{}, errors.New("it is damaged")
	}
	return l, nil
}

func bound(account string) []byte { return []byte(loginMagic + strings.ToLower(account)) }

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
