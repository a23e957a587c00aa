package fakeentra

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// maxToken is how long a token may be.
const maxToken = 32 << 10

// A header is the first part of a JSON Web Token (RFC 7515).
type header struct {
	Algorithm  string `json:"alg"`
	Type       string `json:"typ,omitempty"`
	Key        string `json:"kid,omitempty"`
	Thumbprint string `json:"x5t#S256,omitempty"`
}

// A payload is the second part (RFC 7519), of a token that is issued here or of an
// assertion that an application shows.
type payload struct {
	Audience    string   `json:"aud"`
	Issuer      string   `json:"iss"`
	IssuedAt    int64    `json:"iat,omitempty"`
	NotBefore   int64    `json:"nbf,omitempty"`
	Expires     int64    `json:"exp"`
	Application string   `json:"appid,omitempty"`
	Roles       []string `json:"roles,omitempty"`
	Scope       string   `json:"scp,omitempty"`
	Subject     string   `json:"sub,omitempty"`
	Object      string   `json:"oid,omitempty"`
	Tenant      string   `json:"tid,omitempty"`
	User        string   `json:"upn,omitempty"`
	Preferred   string   `json:"preferred_username,omitempty"`
	ID          string   `json:"uti,omitempty"`
	Version     string   `json:"ver,omitempty"`
}

// keyID names a key.
func keyID(key *rsa.PublicKey) string {
	sum := sha256.Sum256(key.N.Bytes())
	return base64.RawURLEncoding.EncodeToString(sum[:15])
}

// Sign returns claims as a token that key signs with RS256, as the issuer of a
// federated token does.
func Sign(key *rsa.PrivateKey, claims any) (string, error) {
	head, err := json.Marshal(header{Algorithm: "RS256", Type: "JWT", Key: keyID(&key.PublicKey)})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// A jwt is one that was read. Its claims are not to be trusted before isSignedBy.
type jwt struct {
	header
	payload
	signed    string
	signature []byte
}

// read takes a token apart.
func read(token string) (*jwt, error) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 {
		return nil, errors.New("it is no JSON Web Token")
	}
	t := &jwt{signed: parts[0] + "." + parts[1]}
	for i, into := range []any{&t.header, &t.payload} {
		part, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(part, into); err != nil {
			return nil, err
		}
	}
	var err error
	t.signature, err = base64.RawURLEncoding.DecodeString(parts[2])
	return t, err
}

// isSignedBy reports whether a key signed the token, by RS256 or PS256.
func (t *jwt) isSignedBy(key *rsa.PublicKey) bool {
	sum := sha256.Sum256([]byte(t.signed))
	switch t.Algorithm {
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], t.signature) == nil
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], t.signature, nil) == nil
	}
	return false
}
