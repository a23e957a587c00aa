package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/tlslift/tlslift/proxy/spelling"
)

// A Source is where settings come from.
type Source struct {
	// Environ is the environment, as Environ returns it.
	Environ map[string]string
	// EnvFile is the path of a file with settings; empty means none. After a "-", the
	// file may be missing.
	EnvFile string
	// Terminal means that a person reads the log, which decides the default of
	// LOG_FORMAT.
	Terminal bool
	// Asks means that the settings are for a question to a tlslift that runs, or for a
	// list: files that only the user of the service may read are not read.
	Asks bool
}

// EnvFileName is the variable of the environment that names a file with settings, as
// --env-file does.
const EnvFileName = Prefix + "ENV_FILE"

// StateDirectoryName is the variable in which systemd names the state directory of a unit.
const StateDirectoryName = "STATE_DIRECTORY"

// Environ returns the variables of an environment, which has NAME=value lines.
func Environ(lines []string) map[string]string { return env.ToMap(lines) }

// A value is the text of a setting.
type value struct {
	text   string
	origin string // for example "default"
}

// values returns the text of every setting, by full name. The environment wins
// over the env file, so that one setting can be tried out without editing it.
func (s Source) values() (map[string]value, problems) {
	all, wrong := s.given()
	for _, row := range table {
		v, ok := all[Prefix+row.name]
		if !ok || v.text == "" && !row.emptyCounts {
			all[Prefix+row.name] = value{s.defaultOf(row), "default"}
		}
	}
	return all, wrong
}

func (s Source) defaultOf(row setting) string {
	if row.defOf != nil {
		return row.defOf(s)
	}
	return row.def
}

// given returns what the env file and the environment set.
func (s Source) given() (map[string]value, problems) {
	all, wrong := s.fromEnvFile()
	for name, text := range s.Environ {
		if !strings.HasPrefix(strings.ToUpper(name), Prefix) || name == EnvFileName || s.fromKubernetes(name) {
			continue
		}
		if !slices.Contains(names(), name) {
			wrong = append(wrong, unknown(name, ""))
			continue
		}
		all[name] = value{text, "environment"}
	}
	return all, wrong
}

func (s Source) fromEnvFile() (map[string]value, problems) {
	all := map[string]value{}
	if s.EnvFile == "" {
		return all, nil
	}
	path, mayBeMissing := strings.CutPrefix(s.EnvFile, "-")
	assignments, err := readEnvFile(path)
	if mayBeMissing && errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	var wrong problems
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; correct the path, or write -%s if it may be missing", err, path)
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			wrong = append(wrong, problem{text: path + ": " + line})
		}
	}
	for _, a := range assignments {
		where := fmt.Sprintf("%s: line %d: ", path, a.line)
		switch {
		case a.name == EnvFileName:
			wrong = append(wrong, problem{text: where + a.name + " names this file, and cannot be in it"})
		case !slices.Contains(names(), a.name):
			wrong = append(wrong, unknown(a.name, where))
		default:
			all[a.name] = value{a.value, fmt.Sprintf("%s line %d", path, a.line)}
		}
	}
	return all, wrong
}

// unknown returns the problem of a name that is no setting. It does not show the
// value, which may be a secret.
func unknown(name, where string) problem {
	hint := "run `tlslift config` for the list"
	// What differs in the prefix, for example LISTEN, is near as well.
	long := Prefix + strings.TrimPrefix(strings.ToUpper(name), Prefix)
	if near := spelling.Nearest(long, names()); near != "" {
		hint = "did you mean " + near + "?"
	}
	return problem{text: where + name + " is not a setting; " + hint}
}

// serviceLink matches the variables that Kubernetes sets for services whose
// name begins with tlslift.
var serviceLink = regexp.MustCompile(
	`^TLSLIFT_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// fromKubernetes reports whether it was Kubernetes, and not the operator, that
// set a variable.
func (s Source) fromKubernetes(name string) bool {
	_, inPod := s.Environ["KUBERNETES_SERVICE_HOST"]
	return inPod && serviceLink.MatchString(name)
}

func logFormatDefault(s Source) string {
	if s.Terminal {
		return string(LogText)
	}
	return string(LogJSON)
}

func stateDirDefault(s Source) string { return stateDir(runtime.GOOS, s.Environ) }

// stateDir returns the default of STATE_DIR, or "" if the environment does not
// say where the user's directories are. systemd lists the directories of a unit,
// of which ours is the first.
func stateDir(goos string, environ map[string]string) string {
	if dir, _, _ := strings.Cut(environ[StateDirectoryName], ":"); dir != "" && goos == "linux" {
		return dir
	}
	under := func(base string, elements ...string) string {
		if environ[base] == "" {
			return ""
		}
		return filepath.Join(append([]string{environ[base]}, elements...)...)
	}
	switch goos {
	case "windows":
		if dir := environ[StateDirectoryName]; dir != "" { // one of a service that is installed
			return dir
		}
		return under("LOCALAPPDATA", "tlslift")
	case "darwin":
		return under("HOME", "Library", "Application Support", "tlslift")
	}
	// The XDG base directory specification has relative paths ignored.
	if strings.HasPrefix(environ["XDG_STATE_HOME"], "/") {
		return under("XDG_STATE_HOME", "tlslift")
	}
	return under("HOME", ".local", "state", "tlslift")
}
