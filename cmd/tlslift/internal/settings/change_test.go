package settings

import (
	"log/slog"
	"reflect"
	"slices"
	"testing"
)

// What only a start changes stays as it is, and is named; the rest is new.
func TestKeep(t *testing.T) {
	t.Parallel()
	before := mustLoad(t, map[string]string{"TLSLIFT_LISTEN": "smtp://:25", "TLSLIFT_IDLE_TIMEOUT": "1m", "TLSLIFT_LOG_FORMAT": "json"})
	after := mustLoad(t, map[string]string{"TLSLIFT_LISTEN": "smtp://:26", "TLSLIFT_IDLE_TIMEOUT": "2m", "TLSLIFT_LOG_FORMAT": "text"})
	want := mustLoad(t, map[string]string{"TLSLIFT_LISTEN": "smtp://:25", "TLSLIFT_IDLE_TIMEOUT": "2m", "TLSLIFT_LOG_FORMAT": "json"})
	if changed := after.Keep(before); !slices.Equal(changed, []string{"TLSLIFT_LISTEN", "TLSLIFT_LOG_FORMAT"}) {
		t.Errorf("changed: %v", changed)
	}
	if !reflect.DeepEqual(after, want) {
		t.Errorf("got  %+v\nwant %+v", after, want)
	}
	if changed := after.Keep(want); changed != nil {
		t.Errorf("nothing has changed, but %v", changed)
	}
}

// A file that may be missing is none, and one that names another is wrong.
func TestEnvFileName(t *testing.T) {
	t.Parallel()
	if _, err := loadWith(map[string]string{EnvFileName: "/some/file"}, "-/no/such/file"); err != nil {
		t.Error(err)
	}
	if _, err := loadWith(nil, "/no/such/file"); err == nil {
		t.Error("a missing file is none")
	}
	file := writeFile(t, "TLSLIFT_LOG_LEVEL=warn\n")
	if cfg, err := loadWith(nil, "-"+file); err != nil || slog.Level(cfg.LogLevel) != slog.LevelWarn {
		t.Errorf("got %v", err)
	}
	file = writeFile(t, EnvFileName+"=x\n")
	if _, err := loadWith(nil, "-"+file); err == nil || err.Error() != file+": line 1: TLSLIFT_ENV_FILE names this file, and cannot be in it" {
		t.Errorf("got %v", err)
	}
}
