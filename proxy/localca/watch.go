package localca

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// lookEvery is how often the files are looked at.
const lookEvery = time.Minute

// Watch looks at the files of the CA until ctx is done, and says in the log when they
// cannot be loaded any more, and when they can again. The CA itself goes on as it was
// loaded: what is wrong is found before the next start needs the files.
func (ca *CA) Watch(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			look(ca, log)
		}
	}
}

// look notes what is wrong with the files of a CA.
func look(ca *CA, log *slog.Logger) {
	before, now := ca.FileProblem(), ""
	if err := checkFiles(ca); err != nil {
		now = err.Error()
	}
	ca.problem.Store(&now)
	switch {
	case now != "" && now != before:
		log.Error("the files of the CA cannot be loaded any more; tlslift goes on with the CA that it has in memory, but would not start again",
			"error", now)
	case now == "" && before != "":
		log.Info("the files of the CA can be loaded again")
	}
}

// FileProblem returns what is wrong with the files of the CA, as of the last look; empty
// if nothing is.
func (ca *CA) FileProblem() string {
	if p := ca.problem.Load(); p != nil {
		return *p
	}
	return ""
}

// checkFiles returns why a start would not load the same CA, or the same new one.
func checkFiles(ca *CA) error {
	for _, one := range ca.Each() {
		if err := checkFilesOf(one); err != nil {
			return err
		}
	}
	return nil
}

func checkFilesOf(ca *CA) error {
	certPEM, keyPEM, err := readFiles(Options{Dir: ca.dir})
	if err != nil {
		return err
	}
	defer clear(keyPEM)
	if sumsOf(certPEM, keyPEM) != ca.sums {
		return fmt.Errorf("%s or %s beside it is another one now; restore them from a backup, or reload tlslift if another CA is wanted",
			ca.CertificateFile(), keyName)
	}
	return nil
}
