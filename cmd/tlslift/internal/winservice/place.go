package winservice

import (
	"crypto/sha1" //nolint:gosec // Windows makes the SID of a service of it
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// A Place is where the service has its files.
type Place struct {
	Dir string // has all others; the service may read it
}

// under returns the place below the directory that Windows has for data of programs.
func under(programData string) Place {
	return Place{Dir: strings.TrimRight(programData, `\`) + `\` + Name}
}

// EnvFile returns the file with settings.
func (p Place) EnvFile() string { return p.Dir + `\tlslift.env` }

// StateDir returns the state directory, which the service may write to.
func (p Place) StateDir() string { return p.Dir + `\state` }

// LogDir returns the directory with log files, which the service may write to.
func (p Place) LogDir() string { return p.Dir + `\log` }

// LogFile returns the newest log file.
func (p Place) LogFile() string { return p.LogDir() + `\tlslift.log` }

// CrashFile returns the file with why the service has crashed.
func (p Place) CrashFile() string { return p.LogDir() + `\crash.log` }

// Who may use a directory, in the language of security descriptors: SYSTEM and
// Administrators everything, and the service what its rights say. Nothing comes from the
// directory above (P), and everything goes to the files below (OICI).
const (
	aclFormat = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;%s;;;%s)"
	mayRead   = "0x1200a9" // read and execute
	mayWrite  = "0x1301bf" // modify: write and delete too, but change no rights
)

func aclOf(rights string) string { return fmt.Sprintf(aclFormat, rights, serviceSID(Name)) }

// serviceSID returns the SID of the account of a service, which Windows makes of its name: so
// it is known before there is such a service.
func serviceSID(name string) string {
	var text []byte
	for _, unit := range utf16.Encode([]rune(strings.ToUpper(name))) {
		text = binary.LittleEndian.AppendUint16(text, unit)
	}
	sum := sha1.Sum(text) //nolint:gosec // see above
	sid := "S-1-5-80"
	for i := 0; i < len(sum); i += 4 {
		sid += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[i:]))
	}
	return sid
}
