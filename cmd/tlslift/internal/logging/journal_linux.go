package logging

import (
	"fmt"
	"os"
	"syscall"
)

// IsJournal reports whether a file is the stream to the journal of systemd that JOURNAL_STREAM
// names, by its device and inode (systemd.exec(5)): somebody may have redirected it.
func IsJournal(file *os.File, stream string) bool {
	info, err := file.Stat()
	if err != nil {
		return false
	}
	status, is := info.Sys().(*syscall.Stat_t)
	return is && stream == fmt.Sprintf("%d:%d", status.Dev, status.Ino)
}
