package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// A HashKind is how a password is hashed.
type HashKind int

// The values of HashKind.
const (
	Bcrypt HashKind = iota
	Argon2id
)

// MaxBcrypt is how many bytes of a password bcrypt can take.
const MaxBcrypt = 72

// maxPassword is how many bytes a password may have.
const maxPassword = 512

// What a file may ask for, so that no check takes long or takes much memory.
const (
	maxBcryptCost   = 14
	maxArgonMemory  = 64 << 10 // in KiB
	maxArgonTime    = 10
	maxArgonThreads = 8
)

// ErrTooLong says that a password is too long for its kind of hash.
var ErrTooLong = errors.New("the password is too long")

// A hash is a hash of a password. The zero value is none. What is secret in it is
// behind pointers to strings, which fmt never follows.
type hash struct {
	kind HashKind
	text Secret // the whole of a bcrypt hash
	cost int    // of bcrypt
	// Of argon2id.
	memory, time uint32
	threads      uint8
	salt, key    Secret
}

func (h hash) isZero() bool { return h.text.IsZero() && h.key.IsZero() }

// Hash returns the hash of a password, as the sign-in file has it.
func Hash(password string, kind HashKind) (string, error) {
	if len(password) > maxPassword || kind == Bcrypt && len(password) > MaxBcrypt {
		return "", ErrTooLong
	}
	if kind == Bcrypt {
		h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
		return string(h), err
	}
	// The second choice of RFC 9106 takes 64 MiB; this is what OWASP recommends
	// where there is less, as on an appliance that checks several at once.
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // it never fails
	h := hash{kind: Argon2id, memory: 19 << 10, time: 2, threads: 1, salt: NewSecret(string(salt))}
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, h.memory, h.time, h.threads, enc(salt), enc(h.argon(password, 32))), nil
}

var (
	bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)
	// The form of the Password Hashing Competition (PHC).
	argonForm = regexp.MustCompile(
		`^\$argon2id\$v=19\$m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$`)
)

// parseHash reads a hash. Its error repeats nothing of the text, which may be a
// password that somebody wrote by mistake.
func parseHash(text string) (hash, error) {
	if m := bcryptForm.FindStringSubmatch(text); m != nil {
		cost, err := strconv.Atoi(m[1])
		if err != nil || cost < bcrypt.MinCost || cost > maxBcryptCost {
			return hash{}, fmt.Errorf("the bcrypt hash has a cost that is not from %d to %d", bcrypt.MinCost, maxBcryptCost)
		}
		return hash{kind: Bcrypt, text: NewSecret(text), cost: cost}, nil
	}
	m := argonForm.FindStringSubmatch(text)
	switch {
	case m != nil:
	case strings.HasPrefix(text, "$argon2id$") && !strings.Contains(text, ","):
		return hash{}, errors.New("the argon2id hash ends at its first comma; write it in quotes")
	default:
		return hash{}, errors.New("this is no hash of a password; make one with tlslift password")
	}
	memory, memoryErr := strconv.ParseUint(m[1], 10, 32)
	time, timeErr := strconv.ParseUint(m[2], 10, 32)
	threads, threadsErr := strconv.ParseUint(m[3], 10, 8)
	if errors.Join(memoryErr, timeErr, threadsErr) != nil || memory > maxArgonMemory || time > maxArgonTime || threads > maxArgonThreads ||
		min(memory, time, threads) < 1 {
		return hash{}, fmt.Errorf("the argon2id hash asks for more than m=%d,t=%d,p=%d, or for nothing; make one with tlslift password",
			maxArgonMemory, maxArgonTime, maxArgonThreads)
	}
	h := hash{kind: Argon2id, memory: uint32(memory), time: uint32(time), threads: uint8(threads)}
	salt, saltErr := base64.RawStdEncoding.DecodeString(m[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(m[5])
	if saltErr != nil || keyErr != nil {
		return hash{}, errors.New("the argon2id hash is cut off; make one with tlslift password")
	}
	h.salt, h.key = NewSecret(string(salt)), NewSecret(string(key))
	return h, nil
}

// matches reports whether it is the hash of password. It takes as long if not.
func (h hash) matches(password string) bool {
	if h.kind == Argon2id {
		// More bytes than maxPassword cost time, and no hash is of them.
		want := []byte(h.key.Reveal())
		key := h.argon(password[:min(len(password), maxPassword)], uint32(len(want))) //nolint:gosec // 86 characters at most
		return subtle.ConstantTimeCompare(key, want) == 1 && len(password) <= maxPassword
	}
	err := bcrypt.CompareHashAndPassword([]byte(h.text.Reveal()), []byte(password[:min(len(password), MaxBcrypt)]))
	return err == nil && len(password) <= MaxBcrypt
}

func (h hash) argon(password string, length uint32) []byte {
	return argon2.IDKey([]byte(password), []byte(h.salt.Reveal()), h.time, h.memory, h.threads, length)
}

// identity returns what is different for each hash.
func (h hash) identity() string { return h.text.Reveal() + h.salt.Reveal() + h.key.Reveal() }

// likeness returns a hash of nothing that anybody knows, which costs as much.
func (h hash) likeness() (hash, error) {
	if h.kind == Argon2id {
		key := make([]byte, len(h.key.Reveal()))
		_, _ = rand.Read(key) // it never fails
		h.key = NewSecret(string(key))
		return h, nil
	}
	made, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), bcrypt.MinCost)
	if err != nil {
		return hash{}, err
	}
	// What follows the cost is salt and hash; no password has them at this cost.
	h.text = NewSecret(fmt.Sprintf("$2a$%02d$%s", h.cost, made[len("$2a$04$"):]))
	return h, nil
}

// sameCost reports whether two hashes cost the same.
func (h hash) sameCost(other hash) bool {
	return h.kind == other.kind && h.cost == other.cost && h.memory == other.memory && h.time == other.time && h.threads == other.threads
}
