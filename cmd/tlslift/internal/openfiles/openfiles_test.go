package openfiles

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestFit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		files    uint64
		want     int
		balanced bool
		fits     int
	}{
		{65536, 10000, false, 10000},
		{65536, 10000, true, 10000},
		{20832, 10000, false, 10000},
		{20831, 10000, false, 9999},
		{20832, 10000, true, 8889},
		{1024, 10000, false, 199},
		{1024, 100, false, 100},
		{1024, 10000, true, 179},
		{256, 10000, false, 16},
		{64, 10000, false, 1},
		{3, 10000, false, 1},
		{0, 10000, false, 1},
		{1 << 63, 1<<31 - 1, false, 1<<31 - 1},
	} {
		got := fit(tc.files, tc.want, tc.balanced)
		if got != tc.fits {
			t.Errorf("%d files have room for %d connections, want %d", tc.files, got, tc.fits)
		}
		if tc.files > 2*reserve && need(got, tc.balanced)+reserve > tc.files {
			t.Errorf("%d connections need %d files, more than %d", got, need(got, tc.balanced)+reserve, tc.files)
		}
	}
}

func TestWarning(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	to := slog.New(slog.NewTextHandler(&log, nil))
	Fit(1, false).Warn(to)
	if log.Len() != 0 {
		t.Errorf("one connection does not fit: %s", log.String())
	}
	Room{Connections: 256, want: 10000, files: 1024, need: 20832}.Warn(to)
	if n := strings.Count(log.String(), "lowered_to=256"); n != 1 || !strings.Contains(log.String(), "remedy=") {
		t.Errorf("the log says %s", log.String())
	}
	if files, known := limit(); known && files < 1<<31 {
		if got := Fit(1<<31-1, false).Connections; uint64(got) > files {
			t.Errorf("%d connections fit into %d files", got, files)
		}
	}
}
