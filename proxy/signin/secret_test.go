package signin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Whatever is printed, with whatever verb or encoder: no password, hash or key.
func TestNothingSecretIsPrinted(t *testing.T) {
	t.Parallel()
	argon, err := Hash(copierWords, Argon2id)
	if err != nil {
		t.Fatal(err)
	}
	cfg := mustParse(t, example(t))
	k := New(cfg)
	c := Client{Addr: from("10.1.2.3").Addr, Name: "copier-3"}
	m, err := k.Verify(t.Context(), c, "Copier1", copierWords)
	if err != nil {
		t.Fatal(err)
	}
	_, wrongErr := k.Verify(t.Context(), c, "Copier1", "wrong-QX7")
	_, unknownErr := k.Verify(t.Context(), c, "login-QX7", "wrong-QX7")
	s, err := k.Enter(t.Context(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	copier, old, like := cfg.logins["copier1"], cfg.logins["oldscanner"], k.now.Load().dummy[0]
	try := k.newTry(c, "copier1")
	never := []string{"QX7", copier.hash.text.Reveal(), copier.hash.text.Reveal()[7:30], argon[30:], k.key.Reveal(), like.text.Reveal()[7:]}
	for _, bytesOf := range []string{appSecret, scanSecret, copierWords, k.key.Reveal(), mustHash(t, argon).key.Reveal()} {
		never = append(never, strings.Trim(fmt.Sprint([]byte(bytesOf)), "[]"), fmt.Sprintf("%x", bytesOf), fmt.Sprintf("%X", bytesOf))
	}
	values := []any{
		*cfg, cfg, cfg.Application, &cfg.Application, *k.now.Load(), k.now.Load(),
		k, m, *m, s, c, copier, *copier, old, *old, copier.hash, &copier.hash, mustHash(t, argon), &login{hash: mustHash(t, argon)},
		*copier.mailbox, like, *try, try, k.Queues(), wrongErr, unknownErr, cfg.Summary(), k.now.Load().right,
		map[string]any{"a": cfg.Application}, []Secret{old.secret}, struct{ s Secret }{old.secret}, struct{ l login }{*old},
	}
	for _, v := range values {
		var texts []string
		for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d %T") {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		if text, err := json.Marshal(v); err == nil {
			texts = append(texts, string(text))
		}
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(h).Info("x", "v", v)
		}
		for _, text := range append(texts, log.String()) {
			for _, secret := range never {
				if strings.Contains(text, secret) {
					t.Errorf("%T is printed with a secret: %.300s", v, text)
				}
			}
		}
	}
	if text, err := json.Marshal(cfg); err != nil || !strings.Contains(string(text), `"SecretFile":"app-secret"`) {
		t.Errorf("%s, %v", text, err)
	}
}
